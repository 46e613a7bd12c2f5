"""Gives the missing results of a run to workers: processes of this machine or actors of a Ray cluster.

A worker makes one result at a time. It goes on with the scan that it has read as long as results of it are missing,
then takes a scan that no worker has, and at last helps with the scan that has the most results left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Made, Outcome
from TumorGenCore.errors import WorkerError
from TumorGenCore.interrupts import deferred_stops

__all__ = ["Missing", "Worker", "run_crew"]

#: How often a result may lose its worker before it is left out, and how often in a row a worker may fail to start.
MOST_LOSSES = 2
_LOST = "Its worker process ended {} times; perhaps the memory is too small. Use fewer workers."


class Worker(Protocol):
    """A process with a loaded model that makes one result at a time."""

    #: What the futures of a worker raise whose process has ended.
    lost: tuple[type[BaseException], ...]

    def start(self) -> Future[None]:
        """Starts the process, or another one instead; the future ends when the model is loaded."""

    def make(self, row: ManifestRow, seed: int) -> Future[Made]:
        """Makes a result and writes its files."""

    def stop(self) -> None:
        """Ends a start, or the result that is being made; its future ends soon, with the result or an error."""

    def close(self) -> None:
        """Ends the process."""


class Missing:
    """Results that no worker has taken yet.

    Args:
        rows: rows with the seeds that are missing.
    """

    def __init__(self, rows: Iterable[tuple[ManifestRow, Iterable[int]]]) -> None:
        self._untouched = deque((row, deque(seeds)) for row, seeds in rows)
        self._begun: dict[str, tuple[ManifestRow, deque[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._untouched or self._begun)

    def next(self, name: str | None = None) -> tuple[ManifestRow, int] | None:
        """Takes the next result for a worker; None if all are taken.

        Args:
            name: name of the row whose scan the worker has read.
        """
        if name not in self._begun:
            if self._untouched:
                row, seeds = self._untouched.popleft()
                self._begun[row.name] = row, seeds
                name = row.name
            elif self._begun:
                name = max(self._begun, key=lambda each: len(self._begun[each][1]))
            else:
                return None
        row, seeds = self._begun[name]
        seed = seeds.popleft()
        if not seeds:
            del self._begun[name]
        return row, seed

    def give_back(self, row: ManifestRow, seed: int) -> None:
        """Puts a result back, as the next one of its row."""
        self._begun.setdefault(row.name, (row, deque()))[1].appendleft(seed)

    def drop(self, name: str) -> tuple[int, ...]:
        """Removes the results of a row; returns their seeds."""
        return tuple(self._begun.pop(name, (None, ()))[1])


def run_crew(
    workers: Sequence[Worker], missing: Missing, keep: Callable[[Made], None], tell: Callable[[], None]
) -> None:
    """Makes all missing results.

    A result whose worker ended is made again by the next free worker, but not for ever.

    Args:
        workers: the workers; they are closed at the end.
        missing: the results; it is empty at the end.
        keep: called with each result, also with those that are ready when the run is stopped.
        tell: called after ``keep``; the run can stop here.

    Raises:
        WorkerError: no worker can be started any more.
        OSError: a file cannot be written.
    """
    crew = _Crew(workers, missing, keep, tell)
    try:
        crew.work()
    except BaseException:
        with deferred_stops():
            crew.stop()
        raise
    finally:
        with deferred_stops():
            for worker in workers:
                worker.close()


class _Crew:
    def __init__(
        self, workers: Sequence[Worker], missing: Missing, keep: Callable[[Made], None], tell: Callable[[], None]
    ) -> None:
        self.missing, self.keep, self.tell = missing, keep, tell
        self.workers = workers
        self.starting: dict[Future[None], Worker] = {}
        self.making: dict[Future[Made], tuple[Worker, ManifestRow, int]] = {}
        self.idle: list[tuple[Worker, str | None]] = []
        self.failed_starts: dict[Worker, int] = {}
        self.losses: dict[tuple[str, int], int] = {}

    def work(self) -> None:
        for worker in self.workers:
            self.starting[worker.start()] = worker
        while self._hand_out():
            futures: list[Future[Any]] = [*self.starting, *self.making]
            for future in wait(futures, return_when=FIRST_COMPLETED).done:
                if future in self.starting:
                    self._started(future)
                else:
                    self._made(future)

    def _hand_out(self) -> bool:
        """Gives each idle worker a result; returns whether there is something to wait for."""
        still_idle = []
        for worker, name in self.idle:
            if (task := self.missing.next(name)) is None:
                still_idle.append((worker, name))
            else:
                self.making[worker.make(*task)] = (worker, *task)
        self.idle = still_idle
        if self.missing and not self.making and not self.starting:
            raise WorkerError(
                "No worker can be started any more; perhaps the memory is too small. Use fewer --workers, and continue "
                "with --resume."
            )
        return bool(self.making) or bool(self.missing)

    def _started(self, future: Future[None]) -> None:
        worker = self.starting.pop(future)
        try:
            future.result()
        except worker.lost:
            failed = self.failed_starts[worker] = self.failed_starts.get(worker, 0) + 1
            if failed < MOST_LOSSES:
                self.starting[worker.start()] = worker
            return
        self.failed_starts.pop(worker, None)
        self.idle.append((worker, None))

    def _made(self, future: Future[Made]) -> None:
        worker, row, seed = self.making[future]
        try:
            made = future.result()
        except worker.lost:
            del self.making[future]
            self._lost(row, seed)
            self.starting[worker.start()] = worker
            return
        if not made.no_scan:  # The worker need not wait for the tables.
            self.idle.append((worker, row.name))
            self._hand_out()
        try:
            self.keep(made)
        finally:
            del self.making[future]
        if made.no_scan:
            self.idle.append((worker, None))
        self.tell()

    def _lost(self, row: ManifestRow, seed: int) -> None:
        count = self.losses[row.name, seed] = self.losses.get((row.name, seed), 0) + 1
        if count <= MOST_LOSSES:
            self.missing.give_back(row, seed)
        else:
            self.keep(Made(Outcome(row.name, (seed,), reason=_LOST.format(count))))
            self.tell()

    def stop(self) -> None:
        """Ends what is being made, and keeps the results whose files are written."""
        for worker in (*self.starting.values(), *(worker for worker, _, _ in self.making.values())):
            worker.stop()
        for future in self.making:
            if future.exception() is None:
                self.keep(future.result())
