"""Measures the time that the parts of a command take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Timing"]


class Timing:
    """Seconds of each part by its name, in the order of the parts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measures the time of the block; a block that fails is not recorded."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
