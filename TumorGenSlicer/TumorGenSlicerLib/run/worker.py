"""One persistent worker thread and its jobs. It depends neither on Qt nor on MRML nor on the kind of work."""

from __future__ import annotations

import contextlib
import functools
import queue
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from TumorGenCore.errors import TumorGenError

__all__ = ["BusyError", "Job", "Progress", "Worker", "sharedWorker"]


class BusyError(TumorGenError):
    """A run is under way, and only one can run at a time."""


@dataclass(frozen=True)
class Progress:
    """Progress of a job.

    Args:
        stepsDone: sampling steps done, over all boxes and variants.
        stepsInAll: sampling steps of the whole run, without redraws.
        text: what the job is doing, such as "loading the model".
        secondsElapsed: time since the start; stops when the job is finished.
    """

    stepsDone: int
    stepsInAll: int
    text: str
    secondsElapsed: float


class Job:
    """One piece of work. Any thread may call its methods.

    Args:
        work: called with this job on the worker's thread. It calls ``report`` as it proceeds, and raises
            ``CancelledError`` soon after ``isCancelled``.
        stepsInAll: steps of the whole work; does not change.
        givesWay: whether the worker cancels it when another job comes.
    """

    def __init__(self, work: Callable[[Job], Any], stepsInAll: int, givesWay: bool = False) -> None:
        self.givesWay = givesWay
        self._work: Callable[[Job], Any] | None = work
        self._future: Future[Any] = Future()
        self._parts: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stepsInAll = stepsInAll
        self._state = (0, "waiting")
        self._cancelled = threading.Event()
        self._started = time.monotonic()
        self._seconds = 0.0

    @property
    def progress(self) -> Progress:
        """Progress of the work."""
        done, text = self._state
        seconds = self._seconds if self.isFinished else time.monotonic() - self._started
        return Progress(done, self._stepsInAll, text, seconds)

    @property
    def isCancelled(self) -> bool:
        """Whether the work must stop."""
        return self._cancelled.is_set()

    @property
    def isFinished(self) -> bool:
        """Whether the work has ended: done, failed or canceled."""
        return self._future.done()

    def report(self, stepsDone: int, text: str) -> None:
        """Reports the progress of the work."""
        self._state = (stepsDone, text)

    def handOver(self, part: Any) -> None:
        """Provides a part of the result before the whole is done."""
        self._parts.put(part)

    def takeParts(self) -> list[Any]:
        """Returns the parts that were handed over since the last call."""
        parts = []
        with contextlib.suppress(queue.Empty):
            while True:
                parts.append(self._parts.get_nowait())
        return parts

    def cancel(self) -> None:
        """Asks the work to stop."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the job is finished, at most ``timeout`` seconds; returns whether it is."""
        return bool(wait([self._future], timeout).done)

    def result(self) -> Any:
        """Waits for the work; returns what it returned, or raises what it raised."""
        return self._future.result()

    def run(self) -> None:
        """Does the work; the worker calls this."""
        assert self._work is not None
        try:
            value, error = self._work(self), None
        except BaseException as raised:  # The thread must live on, whatever the work raised.
            value, error = None, raised
        self._work = None  # It may hold whole volumes.
        self._seconds = time.monotonic() - self._started
        if error is None:
            self._future.set_result(value)
        else:
            self._future.set_exception(error)


class Worker:
    """Does one job at a time, always on the same thread, so that per-thread caches of libraries stay warm.

    The thread starts with the first job. It ends with ``stop``, with the worker itself, or with the process.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] | None = None
        self._current: Job | None = None

    @property
    def isBusy(self) -> bool:
        """Whether a job that does not give way is under way; another job is then refused."""
        return self._current is not None and not self._current.isFinished and not self._current.givesWay

    def start(self, work: Callable[[Job], Any], stepsInAll: int, givesWay: bool = False) -> Job:
        """Starts a job and returns at once. A job that gives way is canceled first; the new one starts after its end.

        Raises:
            BusyError: a job that does not give way is under way.
        """
        if self.isBusy:
            raise BusyError("A run is under way; wait for it or cancel it first.")
        if self._current is not None and self._current.givesWay:
            self._current.cancel()
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            weakref.finalize(self, self._jobs.put, None)
            threading.Thread(target=_work, args=(self._jobs,), name="TumorGen", daemon=True).start()
        self._current = Job(work, stepsInAll, givesWay)
        self._jobs.put(self._current)
        return self._current

    def stop(self) -> None:
        """Lets the thread end after its job; the next job gets a new thread."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


def _work(jobs: queue.SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.run()
        del job  # This thread must not keep its result alive.


@functools.cache
def sharedWorker() -> Worker:
    """Returns the worker of this process. All logics share it, because they share memory and processors."""
    return Worker()
