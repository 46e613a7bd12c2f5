"""Workers on this machine: processes, each with the model loaded once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Made

if TYPE_CHECKING:
    from TumorGenCore.cohort.station import Station, StationSettings, StopsOnlyWork

__all__ = ["ProcessWorker"]


class ProcessWorker:
    """A process of this machine; see ``crew.Worker``.

    Args:
        settings: what the worker needs.
    """

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, settings: StationSettings) -> None:
        self.settings = settings
        self._pool: ProcessPoolExecutor | None = None
        self._process: BaseProcess | None = None

    def start(self) -> Future[None]:
        """Starts the process and loads the model."""
        self.close()
        # "spawn" on every system: a forked PyTorch hangs in its threads.
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        others = multiprocessing.active_children()
        with _held_from_children():
            started = self._pool.submit(_start, self.settings)
        (self._process,) = [child for child in multiprocessing.active_children() if child not in others]
        return started

    def make(self, row: ManifestRow, seed: int) -> Future[Made]:
        """Makes a result and writes its files."""
        assert self._pool is not None, "not started"
        return self._pool.submit(_make, row, seed)

    def stop(self) -> None:
        """Stops the result that is being made, or a start."""
        if self._process is not None:
            self._process.terminate()

    def close(self) -> None:
        """Ends the process, after the result that it makes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = self._process = None


@contextmanager
def _held_from_children() -> Iterator[None]:
    """Keeps Ctrl+C, which reaches all processes of a terminal, from processes that start in the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_station: Station
_stops: StopsOnlyWork


def _start(settings: StationSettings) -> None:
    """Loads the model in the worker process."""
    global _station, _stops
    from TumorGenCore.cohort.station import Station, StopsOnlyWork

    _stops = StopsOnlyWork()
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    with _stops.raised():
        _station = Station(settings)


def _end_with_the_run() -> None:
    """Ends this process as soon as the run is gone, which nothing else does after a kill."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _make(row: ManifestRow, seed: int) -> Made:
    with _stops.raised():
        return _station.make(row, seed)
