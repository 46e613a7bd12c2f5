"""Turns Ctrl+C and termination into a request that the work checks at each step.

Python raises ``KeyboardInterrupt`` wherever the main thread happens to be. If an object is being cleaned up at that
moment, Python prints the exception, ignores it and goes on. Therefore the request is remembered as well.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "deferred_stops", "held_stops", "remembered_interrupts"]

#: Ctrl+C, termination (batch systems, containers) and, except on Windows, the end of the terminal.
_STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class StopRequest:
    """Remembers whether the user has asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.is_made = False
        self.number: int = signal.SIGINT

    def __call__(self) -> bool:
        """Returns whether to stop, so that the object can serve as ``should_cancel`` of a run."""
        return self.is_made

    def make(self, number: int) -> None:
        """Makes the request because of a signal."""
        self.is_made, self.number = True, number

    def stop(self) -> None:
        """Raises KeyboardInterrupt if the user has asked to stop."""
        if self.is_made:
            raise KeyboardInterrupt


#: Requests of the blocks that run now. A signal makes all of them, so that the outermost knows what stopped an inner.
_open: list[StopRequest] = []


@contextmanager
def remembered_interrupts() -> Iterator[StopRequest]:
    """Remembers Ctrl+C and termination, and still interrupts the work at once.

    A process that ignores one of them goes on ignoring it.
    """
    before = {number: signal.getsignal(number) for number in _STOPS}

    def interrupt(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        (handler if callable(handler) else signal.default_int_handler)(number, frame)

    with _handling(interrupt) as request:
        yield request


@contextmanager
def deferred_stops() -> Iterator[StopRequest]:
    """Remembers Ctrl+C and termination as a request, and does nothing else on them."""
    with _handling(lambda number, frame: None) as request:
        yield request


@contextmanager
def held_stops() -> Iterator[StopRequest]:
    """Holds Ctrl+C and termination back until the block has ended, also with an error, and then lets them act."""
    request = StopRequest()
    try:
        with deferred_stops() as request:
            yield request
    finally:
        if request.is_made:
            signal.raise_signal(request.number)


@contextmanager
def _handling(act: Callable[[int, FrameType | None], None]) -> Iterator[StopRequest]:
    """Remembers a stop in all open requests and then acts on it; stops that the process ignores stay ignored."""
    request = StopRequest()

    def handler(number: int, frame: FrameType | None) -> None:
        for asked in _open:
            asked.make(number)
        act(number, frame)

    previous = {}
    _open.append(request)
    try:
        if threading.current_thread() is threading.main_thread():  # Elsewhere the handlers stay as they are.
            for number in _STOPS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    previous[number] = signal.signal(number, handler)
        yield request
    finally:
        for number, was in previous.items():
            signal.signal(number, was)
        _open.remove(request)
