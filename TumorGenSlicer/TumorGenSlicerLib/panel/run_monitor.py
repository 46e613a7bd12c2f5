"""Looks after a run under way, from a timer on the main thread."""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import qt

__all__ = ["RunMonitor"]

#: How often a run is looked at, ms.
POLL_MS = 40
#: How long the worker may compute at each look, s: while Slicer waits for events, its main thread keeps Python's
#: interpreter lock, and the worker stands still.
YIELD_SECONDS = 0.03


class _Run(Protocol):
    def cancel(self) -> None: ...

    def wait(self, timeoutSeconds: float | None = None) -> bool: ...


_AnyRun = TypeVar("_AnyRun", bound=_Run)


class RunMonitor(Generic[_AnyRun]):
    """Holds at most one run, an insertion or a preview: tells that it goes on, and when it is done.

    Args:
        onProgress: called with the run every now and then while it goes on.
        onFinished: called once with the run, when nothing is under way any more; not for a dropped run.
        onEnded: called after that, and also for a dropped run.
    """

    def __init__(
        self,
        onProgress: Callable[[_AnyRun], None],
        onFinished: Callable[[_AnyRun], None],
        onEnded: Callable[[], None],
    ) -> None:
        self._onProgress, self._onFinished, self._onEnded = onProgress, onFinished, onEnded
        #: The run under way; None where there is none.
        self.run: _AnyRun | None = None
        self._isDropped = False
        self.isCancelled = False
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._poll)

    @property
    def isActive(self) -> bool:
        """Whether a run is under way; a cancelled one is until its step is done."""
        return self.run is not None

    def watch(self, run: _AnyRun) -> None:
        """Look after a run that was just started, and no longer after the one before."""
        self.run, self._isDropped, self.isCancelled = run, False, False
        self._timer.start()

    def cancel(self) -> None:
        """Cancel the run; it ends within one sampling step."""
        if self.run is not None:
            self.isCancelled = True
            self.run.cancel()

    def drop(self) -> None:
        """Cancel the run and want no results of it: its scene is going."""
        self._isDropped = True
        self.cancel()

    def stop(self) -> None:
        """Cancel the run and look at it no more."""
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
