"""Ctrl+C and termination as requests that the work asks for at its next step.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. Where that is an object's clean-up, it is
printed and ignored and the work would go on, hence a request is remembered as well.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "deferred_stops", "remembered_interrupts"]


class StopRequest:
    """Whether the user has asked to stop."""

    def __init__(self) -> None:
        self.is_made = False

    def __call__(self) -> bool:
        """As ``should_cancel`` of a run."""
        return self.is_made

    def stop(self) -> None:
        """Raises KeyboardInterrupt if the user has asked to stop."""
        if self.is_made:
            raise KeyboardInterrupt


@contextmanager
def remembered_interrupts() -> Iterator[StopRequest]:
    """Ctrl+C does at once what it did before, and is remembered. A process that ignores it goes on ignoring it."""
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
    """Ctrl+C and termination do nothing but ask."""
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
    except ValueError:  # Not the main thread (a notebook's worker): interrupts stay what they were.
        pass
    try:
        yield
    finally:
        for number, was in previous.items():
            signal.signal(number, was)
