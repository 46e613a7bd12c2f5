"""Keeps ITK from reading and writing decimal commas: it follows the locale of the process."""

from __future__ import annotations

import locale
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["c_numbers"]

_lock = threading.Lock()
_users = 0
_before = "C"


@contextmanager
def c_numbers() -> Iterator[None]:
    """Gives numbers a decimal point while the block runs; other parts of the locale stay.

    The locale belongs to the whole process, so threads share one change: the first block that starts makes it, and
    the last that ends undoes it. A program that already uses a decimal point sees no change.
    """
    global _users, _before
    with _lock:
        if _users == 0:
            _before = locale.setlocale(locale.LC_NUMERIC)
            if locale.localeconv()["decimal_point"] != ".":
                locale.setlocale(locale.LC_NUMERIC, "C")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and locale.setlocale(locale.LC_NUMERIC) != _before:
                locale.setlocale(locale.LC_NUMERIC, _before)
