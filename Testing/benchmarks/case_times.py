"""Measures where the time of a case goes, in one process of one thread and without changing the product.

Functions of the product are wrapped while it runs. A part inside another one (a box is prepared while a scan is read)
stops the clock of the outer one, so that the parts and the rest add up to the whole.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import SimpleITK as sitk
import torch

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.cohort import maker, resume
from TumorGenCore.cohort.books import Books
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.parts import RunFiles
from TumorGenCore.cohort.processes import ProcessWorker
from TumorGenCore.cohort.requests import Requests
from TumorGenCore.cohort.results import Made, Outcome
from TumorGenCore.cohort.runner import synthesize
from TumorGenCore.cohort.station import StationSettings
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.variants import VariantRun

__all__ = [
    "PARTS",
    "CaseTimes",
    "ResumeTimes",
    "Stopwatch",
    "generator_of_a_worker",
    "measure_cases",
    "measure_resume",
    "measure_starts",
]

READING, ENGINE, WRITING, TABLES, REST = PARTS = ("reading", "engine", "writing", "tables", "rest")

T = TypeVar("T")
Laps = list[dict[str, float]]


class Stopwatch:
    """Counts the seconds of parts.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._since = clock, clock()
        self._open = [REST]
        self._seconds: Counter[str] = Counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """The block belongs to a part; the clock of the part around it stands still."""
        self._count()
        self._open.append(name)
        try:
            yield
        finally:
            self._count()
            self._open.pop()

    def timed(self, name: str, function: Callable[..., T]) -> Callable[..., T]:
        """Returns the function as a part."""

        def within(*arguments: Any, **named: Any) -> T:
            with self.part(name):
                return function(*arguments, **named)

        return within

    def timed_iteration(self, name: str, iterate: Callable[..., Iterator[T]]) -> Callable[..., Iterator[T]]:
        """Returns an ``__iter__`` whose steps are a part, and not what is done between them."""

        def within(of: Any) -> Iterator[T]:
            steps, end = iterate(of), object()
            while True:
                with self.part(name):
                    one = next(steps, end)
                if one is end:
                    return
                yield one  # type: ignore[misc]

        return within

    def lap(self) -> dict[str, float]:
        """Returns the seconds of each part since the last lap."""
        self._count()
        lap = {part: self._seconds[part] for part in PARTS}
        self._seconds.clear()
        return lap

    def _count(self) -> None:
        now = self._clock()
        self._seconds[self._open[-1]] += now - self._since
        self._since = now


@dataclass(frozen=True)
class CaseTimes:
    """Where the time of the cases went.

    Args:
        laps: seconds of each part, for each case.
        made: the last result, as a worker sends it.
    """

    laps: Laps
    made: Made

    @property
    def reading_s(self) -> list[float]:
        """Seconds of reading, for each scan."""
        return [lap[READING] for lap in self.laps if lap[READING] > 0]

    @property
    def case_s(self) -> list[float]:
        """Seconds of a worker for each case, without reading and without the tables, which are the driver's."""
        return [sum(lap[part] for part in (ENGINE, WRITING, REST)) for lap in self.laps]

    def medians_s(self) -> dict[str, float]:
        """Median seconds of each part in a case; those of reading are for a scan."""
        medians = {part: statistics.median(lap[part] for lap in self.laps) for part in PARTS}
        return {**medians, READING: statistics.median(self.reading_s)}

    def shares(self) -> dict[str, float]:
        """Share of each part in the whole time, 0 to 1."""
        sums = {part: sum(lap[part] for lap in self.laps) for part in PARTS}
        return {part: seconds / sum(sums.values()) for part, seconds in sums.items()}


def measure_cases(
    generator: TumorGenerator, rows: Sequence[ManifestRow], output: Path, request: TumorRequest
) -> CaseTimes:
    """Makes the results of all rows in this process.

    Args:
        generator: from ``generator_of_a_worker``.
        rows: the rows; the first one warms up and does not count.
        output: folder for the results.
        request: properties of the tumors.
    """
    laps: Laps = []
    kept: list[Made] = []
    watch = Stopwatch()
    with ExitStack() as patches:
        for where, name, function in _wrapped(watch, kept):
            patches.enter_context(patch.object(where, name, function))
        synthesize(generator, rows, output, usual=request, on_outcome=lambda _: laps.append(watch.lap()))
    if failed := [made.outcome.reason for made in kept if made.outcome.record is None]:
        raise RuntimeError(f"{len(failed)} cases failed: {failed[0]}")
    return CaseTimes(laps[len(rows[0].seeds) :], kept[-1])


def _wrapped(watch: Stopwatch, kept: list[Made]) -> Iterator[tuple[Any, str, Callable]]:
    """Yields each function that is a part: where it is looked up, its name, and what takes its place."""
    yield maker, "Scan", watch.timed(READING, maker.Scan)
    yield TumorGenerator, "prepare", watch.timed(ENGINE, TumorGenerator.prepare)
    yield VariantRun, "__iter__", watch.timed_iteration(ENGINE, VariantRun.__iter__)
    for name in ("write_segmentation", "write_provenance", "write_volume", "hash_files"):
        yield maker, name, watch.timed(WRITING, getattr(maker, name))
    add = watch.timed(TABLES, Books.add)

    def kept_too(books: Books, made: Made, *more: Any) -> Outcome:
        kept.append(made)
        return add(books, made, *more)

    yield Books, "add", kept_too


def generator_of_a_worker() -> TumorGenerator:
    """Loads the model as a worker with one thread does."""
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return TumorGenerator.from_pretrained(DEFAULT_BUNDLE, "cpu")


@dataclass(frozen=True)
class ResumeTimes:
    """What the run does before its first new result, when it continues another one.

    Args:
        scan_s: seconds for each scan that has results: it is read again.
        result_s: seconds for each result: its files are hashed, and its provenance is read.
    """

    scan_s: float
    result_s: float


def measure_resume(
    generator: TumorGenerator, rows: Sequence[ManifestRow], output: Path, request: TumorRequest
) -> ResumeTimes:
    """Measures how long a run checks the results in its folder.

    Args:
        generator: as in ``measure_cases``.
        rows: rows whose results are all there.
        output: their folder.
        request: as in ``measure_cases``.
    """
    asked = Requests(generator, [replace(row, request=row.request.or_else(request)) for row in rows])
    watch = Stopwatch()
    with ExitStack() as patches:
        for name in ("read_row", "hash_volume"):
            patches.enter_context(patch.object(resume, name, watch.timed(READING, getattr(resume, name))))
        found = resume.earlier_results(RunFiles(output), asked, "cpu")
    if len(found.records) != len(asked):
        raise RuntimeError(f"only {len(found.records)} of {len(asked)} results would be kept")
    lap = watch.lap()
    return ResumeTimes(lap[READING] / len(rows), lap[REST] / len(asked))


def measure_starts(output: Path, count: int = 3) -> list[float]:
    """Returns the seconds from the start of a worker process to its loaded model; the first start does not count.

    Args:
        output: a folder that exists.
        count: number of starts.
    """
    worker = ProcessWorker(StationSettings(DEFAULT_BUNDLE, "cpu", 1, output))
    seconds = []
    try:
        for _ in range(count + 1):
            begun = time.perf_counter()
            worker.start().result()
            seconds.append(time.perf_counter() - begun)
    finally:
        worker.close()
    return seconds[1:]
