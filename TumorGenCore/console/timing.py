"""How long the parts of a command take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Timing"]


class Timing:
    """Seconds by the name of the part, in their order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measure what the block takes; of a block that fails nothing is kept."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
