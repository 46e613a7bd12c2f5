"""Measures the driver of `tumorgen synthesize`: the process that hands out results and keeps the tables.

It runs the real run with workers that make nothing: each gives back a copy of one measured result, as if it came from
another process. A worker ends as soon as all of them have something to do, so that the driver always waits for many.
"""

from __future__ import annotations

import gc
import pickle
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.parts import RunFiles
from TumorGenCore.cohort.results import Made, Outcome, ResultFiles, stem
from TumorGenCore.cohort.runner import check_before_run, synthesize
from TumorGenCore.cohort.tables import read_cases, read_truth
from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["DriverCost", "Sample", "cohort_rows", "measure_driver"]


@dataclass(frozen=True)
class Sample:
    """One measured result: its line of ``cases.csv``, and its lines of ``truth.csv``."""

    record: Mapping[str, str]
    truth: str

    def copy(self, name: str, seed: int) -> Made:
        """Returns the result under another name; like one from another process, it shares no text with any other."""
        files = ResultFiles.of((name, seed), Path())
        names = {"image": files.image.name, "mask": files.mask.name, "provenance": files.provenance.name}
        record = {**self.record, "name": name, "seed": str(seed), **names}
        own = stem((self.record["name"], int(self.record["seed"])))
        truth = self.truth.replace(own, stem((name, seed))).encode()
        return pickle.loads(pickle.dumps(Made(Outcome(name, (seed,), record), truth)))


@dataclass(frozen=True)
class DriverCost:
    """What the driver takes.

    Args:
        results, workers: size of the run.
        early_ms, late_ms: milliseconds for each result, median over the first and the last tenth.
        processor_ms: processor time for each result; the others also wait for the disk.
        memory_mib: growth of the memory from the first result to the last.
        tables_mb: size of each table.
        sort_s: from the last result to the end.
        check_s: of a resumed run, before it reads anything: looks for each file of each result.
        read_s: reading the tables again.
    """

    results: int
    workers: int
    early_ms: float
    late_ms: float
    processor_ms: float
    memory_mib: float
    tables_mb: dict[str, float]
    sort_s: float
    check_s: float
    read_s: float


def cohort_rows(image: Path, results: int, scans: int) -> list[ManifestRow]:
    """Returns rows of scans, with as many results each as it takes."""
    of_each = -(-results // scans)
    starts = range(0, results, of_each)
    return [
        ManifestRow(f"scan{n}", image, None, None, range(a, min(a + of_each, results)), 1, 1.0)
        for n, a in enumerate(starts)
    ]


def measure_driver(
    generator: TumorGenerator, sample: Sample, folder: Path, results: int, scans: int, workers: int
) -> DriverCost:
    """Keeps results of workers that make nothing.

    Args:
        generator: generator of the run.
        sample: the result that all are copies of.
        folder: folder for the tables, on the disk to measure.
        results, scans, workers: size of the run.
    """
    image, output = folder / "driver.nii.gz", folder / "driver"
    image.write_bytes(bytes(1000))
    rows = cohort_rows(image, results, scans)
    gc.collect()
    relay = _Relay(sample, results, workers)
    clock: list[float] = []
    memory: list[int] = []
    process = psutil.Process()

    def told(_: Outcome) -> None:
        clock.append(time.perf_counter())
        if len(clock) in (1, results):
            memory.append(process.memory_info().rss)
        relay.go_on()

    begun = time.process_time()
    synthesize(generator, rows, output, workers=[_Echo(relay) for _ in range(workers)], on_outcome=told)
    ended, processor_s = time.perf_counter(), time.process_time() - begun
    each = [after - before for before, after in pairwise(clock)]
    tenth = max(1, len(each) // 10)
    files = RunFiles(output)
    return DriverCost(
        results=results,
        workers=workers,
        early_ms=1000 * statistics.median(each[:tenth]),
        late_ms=1000 * statistics.median(each[-tenth:]),
        processor_ms=1000 * processor_s / results,
        memory_mib=(memory[1] - memory[0]) / 2**20,
        tables_mb={path.name: path.stat().st_size / 1e6 for path in files.tables if path.exists()},
        sort_s=ended - clock[-1],
        check_s=_seconds(lambda: check_before_run(output, rows, resume=True)),
        read_s=_seconds(lambda: (read_cases(files.cases), read_truth(files.truth))),
    )


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class _Relay:
    """Results that workers have taken; the oldest is done when all workers have one, and at the end one after another.

    Args:
        sample: the result that all are copies of.
        results, workers: their numbers.
    """

    def __init__(self, sample: Sample, results: int, workers: int) -> None:
        self.sample, self.left, self.workers = sample, results, workers
        self._taken: deque[tuple[Future[Made], str, int]] = deque()

    def take(self, name: str, seed: int) -> Future[Made]:
        """Takes a result for a worker."""
        future: Future[Made] = Future()
        self._taken.append((future, name, seed))
        self.left -= 1
        if len(self._taken) == self.workers or not self.left:
            self._finish()
        return future

    def go_on(self) -> None:
        """Called after each result."""
        if not self.left and self._taken:
            self._finish()

    def _finish(self) -> None:
        future, name, seed = self._taken.popleft()
        future.set_result(self.sample.copy(name, seed))


class _Echo:
    """A worker that makes nothing; see ``crew.Worker``."""

    lost: tuple[type[BaseException], ...] = ()

    def __init__(self, relay: _Relay) -> None:
        self.relay = relay

    def start(self) -> Future[None]:
        started: Future[None] = Future()
        started.set_result(None)
        return started

    def make(self, row: ManifestRow, seed: int) -> Future[Made]:
        return self.relay.take(row.name, seed)

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass
