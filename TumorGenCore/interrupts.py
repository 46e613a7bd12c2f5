"""Turns Ctrl+C and termination into a request that the work checks at each step.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. If an object is being cleaned up at that
moment, Python prints the exception, ignores it and goes on. Therefore the request is remembered as well.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "deferred_stops", "remembered_interrupts"]


class StopRequest:
    """Remembers whether the user has asked to stop."""

    def __init__(self) -> None:
        self.is_made = False

    def __call__(self) -> bool:
        """Returns whether to stop, so that the object can serve as ``should_cancel`` of a run."""
        return self.is_made

    def stop(self) -> None:
        """Raises KeyboardInterrupt if the user has asked to stop."""
        if self.is_made:
            raise KeyboardInterrupt


@contextmanager
def remembered_interrupts() -> Iterator[StopRequest]:
    """Remembers Ctrl+C and still runs the previous handler at once.

    A process that ignores Ctrl+C goes on ignoring it.
    """
    request = StopRequest()
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:
        request.is_made = True
        before(number, frame)

    with _handling([signal.SIGINT], ask):
        yield request


@contextmanager
def deferred_stops() -> Iterator[StopRequest]:
    """Remembers Ctrl+C and termination as a request, and does nothing else on them."""
    request = StopRequest()

    def ask(*_: object) -> None:
        request.is_made = True

    with _handling([signal.SIGINT, signal.SIGTERM], ask):
        yield request


@contextmanager
def _handling(numbers: Sequence[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {}
    try:
        for number in numbers:
            previous[number] = signal.signal(number, handler)
    except ValueError:  # Not the main thread (a notebook's worker): the handlers stay as they are.
        pass
    try:
        yield
    finally:
        for number, was in previous.items():
            signal.signal(number, was)
