"""Progress of a run, reported after each sampling step, and its cancellation."""

from __future__ import annotations

from collections.abc import Callable

from TumorGenCore.errors import CancelledError

__all__ = ["OnProgress", "Progress", "ShouldCancel"]

#: Called with steps done, steps in all, and the current activity.
OnProgress = Callable[[int, int, str], None]
#: Called between any two parts; True cancels.
ShouldCancel = Callable[[], bool]


class Progress:
    """Counts finished steps of all planned steps.

    It never runs backward and never past the end. Tumors that are grown again without a plan do not count.

    Args:
        steps_in_all: number of planned steps.
        on_progress: called in every ``tell``.
        should_cancel: called in every ``tell``; True cancels.
    """

    def __init__(
        self, steps_in_all: int, on_progress: OnProgress | None = None, should_cancel: ShouldCancel | None = None
    ) -> None:
        self.steps_in_all, self.done = steps_in_all, 0
        self._on_progress, self._should_cancel = on_progress, should_cancel

    def tell(self, done: int, doing: str) -> None:
        """Reports the number of finished steps and the current activity.

        Raises:
            CancelledError: the user has canceled.
        """
        self.done = max(self.done, min(done, self.steps_in_all))
        if self._should_cancel is not None and self._should_cancel():
            raise CancelledError(f"Canceled after step {self.done} of {self.steps_in_all}; nothing was changed.")
        if self._on_progress is not None:
            self._on_progress(self.done, self.steps_in_all, doing)
