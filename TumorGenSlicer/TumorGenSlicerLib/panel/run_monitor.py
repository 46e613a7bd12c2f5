"""Looks after a run under way, from a timer on the main thread."""

from collections.abc import Callable
from typing import Any

import qt

from TumorGenSlicerLib.run.logic import Insertion, Preview, Progress, Variant

__all__ = ["RunMonitor"]

#: How often a run is looked at, ms.
POLL_MS = 40
#: How long the worker may compute at each look, s: while Slicer waits for events, its main thread keeps Python's
#: interpreter lock, and the worker stands still.
YIELD_SECONDS = 0.03


class RunMonitor:
    """Holds at most one run: tells how far it is, and when it is done.

    Args:
        onProgress: called every now and then while the run goes on.
        onFinished: called once with the run, when nothing is under way any more; not for a dropped run.
        onEnded: called after that, and also for a dropped run.
    """

    def __init__(
        self, onProgress: Callable[[], None], onFinished: Callable[[Any], None], onEnded: Callable[[], None]
    ) -> None:
        self._onProgress, self._onFinished, self._onEnded = onProgress, onFinished, onEnded
        self._insertion: Insertion | Preview | None = None
        self._isDropped = False
        self.isCancelled = False
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self._poll)

    @property
    def isActive(self) -> bool:
        """Whether a run is under way; a cancelled one is until its step is done."""
        return self._insertion is not None

    @property
    def progress(self) -> Progress:
        """Of the run under way."""
        return self._insertion.progress

    def ready(self) -> list[Variant]:
        """Variants of the run under way that are done since the last call, their nodes in the scene."""
        insertion = self._insertion
        return insertion.addReady() if isinstance(insertion, Insertion) and not self._isDropped else []

    def watch(self, insertion: Insertion | Preview) -> None:
        """Look after a run that was just started, and no longer after the one before."""
        self._insertion, self._isDropped, self.isCancelled = insertion, False, False
        self._timer.start()

    def cancel(self) -> None:
        """Cancel the run; it ends within one sampling step."""
        if self.isActive:
            self.isCancelled = True
            self._insertion.cancel()

    def drop(self) -> None:
        """Cancel the run and want no results of it: its scene is going."""
        self._isDropped = True
        self.cancel()

    def stop(self) -> None:
        """Cancel the run and look at it no more."""
        self.drop()
        self._timer.stop()
        self._insertion = None

    def _poll(self) -> None:
        if not self._insertion.wait(YIELD_SECONDS):
            self._onProgress()
            return
        self._timer.stop()
        insertion, self._insertion = self._insertion, None
        try:
            if not self._isDropped:
                self._onFinished(insertion)
        finally:
            self._onEnded()
