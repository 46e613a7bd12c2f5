"""How far a run is, told after each sampling step, and where it can be canceled."""

from __future__ import annotations

from collections.abc import Callable

from TumorGenCore.errors import CancelledError

__all__ = ["OnProgress", "Progress", "ShouldCancel"]

#: (steps done, steps in all, what is being done)
OnProgress = Callable[[int, int, str], None]
#: asked between any two parts; True cancels
ShouldCancel = Callable[[], bool]


class Progress:
    """Steps done of all that are planned. Never runs backwards, and never past its end: what is grown again without
    being planned adds nothing to it.

    Args:
        steps_in_all: planned.
        on_progress: called with every ``tell``.
        should_cancel: asked at every ``tell``.
    """

    def __init__(
        self, steps_in_all: int, on_progress: OnProgress | None = None, should_cancel: ShouldCancel | None = None
    ) -> None:
        self.steps_in_all, self.done = steps_in_all, 0
        self._on_progress, self._should_cancel = on_progress, should_cancel

    def tell(self, done: int, doing: str) -> None:
        """Say that so many steps are done.

        Raises:
            CancelledError: the user has canceled.
        """
        self.done = max(self.done, min(done, self.steps_in_all))
        if self._should_cancel is not None and self._should_cancel():
            raise CancelledError(f"Cancelled after step {self.done} of {self.steps_in_all}; nothing was changed.")
        if self._on_progress is not None:
            self._on_progress(self.done, self.steps_in_all, doing)
