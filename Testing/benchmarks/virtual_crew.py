"""The real scheduling of `tumorgen synthesize` (``cohort.crew``) with simulated workers and a clock that jumps.

Workers read scans and make results for as long as measured ones took, are lost with their machine or alone, and start
again. The driver is killed and continues with the results in its table. Only ``concurrent.futures.wait`` is replaced.
"""

from __future__ import annotations

import heapq
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.cohort import crew
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Key, Made, Outcome

__all__ = ["Assumed", "Measured", "Simulated", "simulate"]

#: Losses of a worker or a machine that are drawn beforehand; a run sees few of them.
_LOSSES = 10_000


@dataclass(frozen=True)
class Measured:
    """Measured seconds.

    Args:
        reading_s: of reading a scan.
        case_s: of a worker for a result.
        start_s: from the start of a worker to its loaded model.
        driver_s: of the driver for a result.
        resume_scan_s, resume_result_s: of a resumed run for each scan and each result that is there.
    """

    reading_s: Sequence[float]
    case_s: Sequence[float]
    start_s: Sequence[float]
    driver_s: float
    resume_scan_s: float
    resume_result_s: float


@dataclass(frozen=True)
class Assumed:
    """What was not measured.

    Args:
        slow_share, slow_times: share of results that take so many times as long.
        worker_hours: mean time between losses of a worker.
        node_hours, node_workers, node_back_s: mean time between losses of a machine, its workers, and the time until
            it is back.
        driver_kills: how often the driver is killed, at even distances in the table.
        notice_s: time until somebody starts it again.
    """

    slow_share: float = 0.01
    slow_times: float = 10.0
    worker_hours: float = 24.0
    node_hours: float = 168.0
    node_workers: int = 8
    node_back_s: float = 600.0
    driver_kills: int = 2
    notice_s: float = 300.0


@dataclass(frozen=True)
class Simulated:
    """What came of a run.

    Args:
        workers: number of workers.
        hours: from its start to its end.
        efficiency: seconds of results that were kept, and of one reading of each scan, over those of all workers.
        lost_hours: hours of workers for results and readings that had to be made again.
        lost_share: the same, as a share of the useful hours.
        resume_s: seconds of each resumed run until it started its workers.
        away_share: share of the time in which no driver gives out work: dead, starting, or comparing earlier results.
        queue: mean number of results that wait for the driver.
        driver_share: share of the time in which the driver works on a result.
        lost_workers: workers lost, alone or with their machine.
        left_out: results that lost their worker too often.
        digest: order of the results in the table, to compare runs.
    """

    workers: int
    hours: float
    efficiency: float
    lost_hours: float
    lost_share: float
    resume_s: tuple[float, ...]
    away_share: float
    queue: float
    driver_share: float
    lost_workers: int
    left_out: int
    digest: int


def simulate(workers: int, rows: Sequence[ManifestRow], measured: Measured, assumed: Assumed, seed: int) -> Simulated:
    """Simulates a run with its losses.

    Args:
        workers: number of workers.
        rows: scans with the seeds of their results.
        measured: times that results, scans, starts and the driver took.
        assumed: losses.
        seed: chooses times and losses.
    """
    return _Run(workers, rows, measured, assumed, np.random.default_rng(seed)).work()


class LostError(Exception):
    """The worker has ended."""


class Killed(BaseException):
    """The driver has ended."""


class _Clock:
    """Virtual time, and the futures that end at some time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._ends: list[tuple[float, int, Future, Any]] = []
        self._number = count()

    def end(self, time: float, future: Future, outcome: Any) -> None:
        """Lets a future end at a time, with a result or an error."""
        heapq.heappush(self._ends, (time, next(self._number), future, outcome))

    def wait(self, futures: Iterable[Future], return_when: str) -> Any:
        """Stands in for ``concurrent.futures.wait``; the futures that have ended come in order."""
        self.now = max(self.now, self._ends[0][0])
        done = []
        while self._ends and self._ends[0][0] <= self.now:
            _, _, future, outcome = heapq.heappop(self._ends)
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
            done.append(future)
        return SimpleNamespace(done=done)

    def forget(self) -> None:
        """Forgets what has not ended."""
        self._ends.clear()


@dataclass
class _Losses:
    """Times at which something is lost, and until when it is away then."""

    times: NDArray[np.float64]
    away_s: float = 0.0

    def next(self, after: float) -> float:
        """The first loss after a time."""
        return float(self.times[bisect_right(self.times, after)])

    def back(self, now: float) -> float:
        """When it is there: now, or when it is back."""
        before = bisect_right(self.times, now)
        return max(now, float(self.times[before - 1]) + self.away_s) if before else now


class _Worker:
    """A worker in virtual time; see ``crew.Worker``.

    Args:
        run: the run.
        losses: when it is lost alone, and when its machine is.
    """

    lost = (LostError,)

    def __init__(self, run: _Run, losses: tuple[_Losses, _Losses]) -> None:
        self.run, self.losses = run, losses
        self._name: str | None = None
        self._there_since = self._end = 0.0
        self._future: Future = Future()

    def start(self) -> Future[None]:
        self.run.starts += 1
        begin = max(losses.back(self.run.clock.now) for losses in self.losses)
        self._name, self._there_since = None, begin
        return self._until(begin + self.run.start_s(), None)

    def make(self, row: ManifestRow, seed: int) -> Future[Made]:
        run, key = self.run, (row.name, seed)
        reading = 0.0 if row.name == self._name else run.reading[row.name]
        self._name = row.name
        begin = run.clock.now
        future = self._until(begin + reading + run.making[key], Made(Outcome(row.name, (seed,), {})))
        run.spent_s += self._end - begin
        run.ready[key] = self._end
        return future

    def stop(self) -> None:
        self.run.spent_s -= max(0.0, self._end - self.run.clock.now)
        if not self._future.done():
            self._future.set_exception(LostError())

    def close(self) -> None:
        pass

    def _until(self, end: float, outcome: Any) -> Future:
        """Returns a future that ends so, or before with the loss of the worker."""
        loss = min(losses.next(self._there_since) for losses in self.losses)
        if loss < end:  # Perhaps while it had nothing to do; that is found now.
            end, outcome = max(loss, self.run.clock.now), LostError()
        self._there_since = self._end = end
        self._future = Future()
        self.run.clock.end(end, self._future, outcome)
        return self._future


class _Run:
    def __init__(
        self,
        workers: int,
        rows: Sequence[ManifestRow],
        measured: Measured,
        assumed: Assumed,
        rng: np.random.Generator,
    ) -> None:
        self.rows, self.measured, self.assumed, self.rng = rows, measured, assumed, rng
        self.clock = _Clock()
        keys = [(row.name, seed) for row in rows for seed in row.seeds]
        slow = np.where(rng.random(len(keys)) < assumed.slow_share, assumed.slow_times, 1.0)
        self.making = dict(zip(keys, (rng.choice(measured.case_s, len(keys)) * slow).tolist(), strict=True))
        self.reading = dict(
            zip([row.name for row in rows], rng.choice(measured.reading_s, len(rows)).tolist(), strict=True)
        )
        nodes = [
            self._losses(assumed.node_hours, assumed.node_back_s) for _ in range(-(-workers // assumed.node_workers))
        ]
        self.losses = [
            (self._losses(assumed.worker_hours), nodes[number // assumed.node_workers]) for number in range(workers)
        ]
        self.ready: dict[Key, float] = {}
        self.kept: dict[str, set[int]] = {row.name: set() for row in rows}
        self.count = self.starts = self.left_out = self.digest = 0
        self.spent_s = self.useful_s = self.waited_s = self.busy_s = 0.0
        self.resume_s: list[float] = []
        self._dead = False

    def _losses(self, mean_hours: float, away_s: float = 0.0) -> _Losses:
        return _Losses(np.cumsum(self.rng.exponential(3600 * mean_hours, _LOSSES)), away_s)

    def start_s(self) -> float:
        """Draws how long a start takes."""
        return float(self.rng.choice(self.measured.start_s))

    def work(self) -> Simulated:
        drivers = 1
        self.clock.now += self.start_s()
        while not self._driven():
            drivers += 1
            self.clock.forget()
            scans = sum(1 for seeds in self.kept.values() if seeds)
            there = self.measured.resume_scan_s * scans + self.measured.resume_result_s * self.count
            self.resume_s.append(self.start_s() + there)
            self.clock.now += self.assumed.notice_s + self.resume_s[-1]
        workers, wall = len(self.losses), self.clock.now
        useful = self.useful_s + sum(self.reading.values())
        return Simulated(
            workers=workers,
            hours=wall / 3600,
            efficiency=useful / (workers * wall),
            lost_hours=(self.spent_s - useful) / 3600,
            lost_share=(self.spent_s - useful) / useful,
            resume_s=tuple(self.resume_s),
            away_share=sum(self.assumed.notice_s + seconds for seconds in self.resume_s) / wall,
            queue=self.waited_s / wall,
            driver_share=self.busy_s / wall,
            lost_workers=self.starts - drivers * workers,
            left_out=self.left_out,
            digest=self.digest,
        )

    def _driven(self) -> bool:
        """Makes what is missing; returns whether all is there, or the driver was killed."""
        self._dead = False
        left = [(row, [seed for seed in row.seeds if seed not in self.kept[row.name]]) for row in self.rows]
        missing = crew.Missing((row, seeds) for row, seeds in left if seeds)
        workers = [_Worker(self, losses) for losses in self.losses]
        try:
            with patch.object(crew, "wait", self.clock.wait):
                crew.run_crew(workers, missing, self._keep, lambda: None)
        except Killed:
            return False
        return True

    def _keep(self, made: Made) -> None:
        """Takes the time of the driver for a result; the driver can be killed here."""
        if self._dead:  # Its files are there, but not its line in the table.
            return
        key = made.outcome.name, made.outcome.seeds[0]
        self.waited_s += self.clock.now - self.ready[key]
        self.clock.now += self.measured.driver_s
        self.busy_s += self.measured.driver_s
        if made.outcome.record is None:
            self.left_out += 1
            return
        self.count += 1
        self.kept[key[0]].add(key[1])
        self.useful_s += self.making[key]
        self.digest = zlib.crc32(f"{key}".encode(), self.digest)
        kills = self.assumed.driver_kills
        if len(self.resume_s) < kills and self.count >= len(self.making) * (len(self.resume_s) + 1) // (kills + 1):
            self._dead = True
            raise Killed
