"""Watches a run under way with a timer on the main thread."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import qt

__all__ = ["RunMonitor"]

#: Interval of the timer, ms.
POLL_MS = 40
#: Time for the worker at each tick, s. While Slicer waits for events, its main thread keeps Python's interpreter lock,
#: and the worker stands still.
YIELD_SECONDS = 0.03


class _Run(Protocol):
    def cancel(self) -> None: ...

    def wait(self, timeoutSeconds: float | None = None) -> bool: ...


_AnyRun = TypeVar("_AnyRun", bound=_Run)


class RunMonitor(Generic[_AnyRun]):
    """Watches at most one run, an insertion or a preview, and reports its progress and its end.

    Args:
        onProgress: called with the run at each tick until it ends.
        onFinished: called once with the run after it has ended and ``isActive`` is False; not for a dropped run.
        onEnded: called after that, and also for a dropped run.
    """

    def __init__(
        self,
        onProgress: Callable[[_AnyRun], None],
        onFinished: Callable[[_AnyRun], None],
        onEnded: Callable[[], None],
    ) -> None:
        self._onProgress, self._onFinished, self._onEnded = onProgress, onFinished, onEnded
        #: The run under way; None if there is none.
        self.run: _AnyRun | None = None
        self._isDropped = False
        self.isCancelled = False
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._poll)

    @property
    def isActive(self) -> bool:
        """Whether a run is under way; a canceled run is under way until its step ends."""
        return self.run is not None

    def watch(self, run: _AnyRun) -> None:
        """Watches a run that has just started, instead of the one before."""
        self.run, self._isDropped, self.isCancelled = run, False, False
        self._timer.start()

    def cancel(self) -> None:
        """Cancels the run; it ends within one sampling step."""
        if self.run is not None:
            self.isCancelled = True
            self.run.cancel()

    def drop(self) -> None:
        """Cancels the run and ignores its results, because its scene closes."""
        self._isDropped = True
        self.cancel()

    def stop(self) -> None:
        """Cancels the run and stops watching it."""
        self.drop()
        self._timer.stop()
        self.run = None

    def _poll(self) -> None:
        run = self.run
        if run is None:
            return
        if not run.wait(YIELD_SECONDS):
            self._onProgress(run)
            return
        self._timer.stop()
        self.run = None
        try:
            if not self._isDropped:
                self._onFinished(run)
        finally:
            self._onEnded()
