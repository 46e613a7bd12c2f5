"""Which tumors are grown again, and how: the three rules, in one place.

- A fill that was asked for and missed: the same seed, and the model is told more or less of it (``FillSearch``).
- A speck, where nobody asked for a fill: the same seed, and the model is told more (``SpeckRule``).
- A poor quality, where several tumors are asked for: another seed (``QualityRule``).

The first two keep the noise, and with it the tumor's place. None of them knows networks: each is told what was
reached, and says what to try next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Protocol

import numpy as np

from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.insertion.request import FILL_TRIES, MOST_SEED
from TumorGenCore.insertion.targets import misses
from TumorGenCore.method.controls import LEAST_TOLD

__all__ = [
    "REDRAWS_EACH",
    "FillRule",
    "FillSearch",
    "QualityRule",
    "SpeckRule",
    "next_seeds",
    "other_seeds",
]

#: Tumors drawn again at most because of their quality, for each that is wanted.
REDRAWS_EACH = 2


class FillRule(Protocol):
    """Grows a tumor again with the same noise until its fill will do."""

    def next_told(self, reached: float) -> float | None:
        """The fill that the model is to be told next; None where the tumor is done.

        Args:
            reached: share of the box that the newest tumor fills.
        """

    @property
    def best(self) -> int:
        """Which of the tumors so far to take, from 0."""


class FillSearch:
    """The fill that a user asks for: takes the tumor that is nearest to it, of ``FILL_TRIES`` at most.

    With one and the same noise the tumor grows steadily with what the model is told, so each try corrects it by what
    the last one missed (a secant on the cube roots: edge lengths, not volumes).

    Args:
        fill: what is wanted, 0 to 1.
        most_edge: largest cube root of a fill that the model can be told.
    """

    def __init__(self, fill: float, most_edge: float) -> None:
        self.fill, self.most_edge = fill, most_edge
        self._wanted = float(np.cbrt(fill))
        self._told = [self._wanted]
        self._reached: list[float] = []

    @property
    def first_told(self) -> float:
        """The fill that the model is told at first."""
        return self._wanted**3

    def next_told(self, reached: float) -> float | None:
        """See ``FillRule``."""
        self._reached.append(float(np.cbrt(reached)))
        if not misses(reached, self.fill) or len(self._reached) == FILL_TRIES:
            return None
        told = float(
            np.clip(self._told[-1] + (self._wanted - self._reached[-1]) / self._slope(), LEAST_TOLD, self.most_edge)
        )
        if told == self._told[-1]:  # At the end of what can be told: the same tumor would grow.
            return None
        self._told.append(told)
        return told**3

    @property
    def best(self) -> int:
        """See ``FillRule``."""
        return int(np.argmin(np.abs(np.subtract(self._reached, self._wanted))))

    def _slope(self) -> float:
        if len(self._reached) < 2 or self._told[-1] == self._told[-2]:
            return 1.0
        return float(np.clip((self._reached[-1] - self._reached[-2]) / (self._told[-1] - self._told[-2]), 0.3, 3.0))


class SpeckRule:
    """Of some noise next to nothing grows: the model is then told more than was drawn, until it is no speck.

    Args:
        drawn: the fill that was drawn; None where none was, and every tumor will do.
        tuning: what is a speck, and how much more to tell.
    """

    def __init__(self, drawn: float | None, tuning: Tuning) -> None:
        self.drawn, self.tuning = drawn, tuning
        self._more: Iterator[float] = iter(tuning.speck_tries)
        self._tries = 0

    def next_told(self, reached: float) -> float | None:
        """See ``FillRule``."""
        self._tries += 1
        if self.drawn is None or reached >= self.tuning.speck_share * self.drawn:
            return None
        more = next(self._more, None)
        return None if more is None else more * self.drawn

    @property
    def best(self) -> int:
        """See ``FillRule``."""
        return self._tries - 1


class QualityRule:
    """How many tumors of a lower quality than asked for are drawn again, and with which seeds.

    Args:
        seeds: of the tumors that are wanted.
        least_quality: what a tumor's total must reach; None draws none again.
        redraw_seeds: seeds for that, in order; None counts up from the highest of ``seeds``.
    """

    def __init__(
        self, seeds: Sequence[int], least_quality: float | None, redraw_seeds: Iterable[int] | None = None
    ) -> None:
        self.least = least_quality or 0.0
        self._spare = islice(next_seeds(seeds) if redraw_seeds is None else redraw_seeds, REDRAWS_EACH * len(seeds))

    def is_good(self, total: float) -> bool:
        """Whether a tumor of this quality is kept for good."""
        return total >= self.least

    def next_seeds(self, missing: int) -> list[int]:
        """Seeds for so many tumors that are still missing; fewer, or none, where enough were drawn."""
        return list(islice(self._spare, missing))


def next_seeds(seeds: Sequence[int]) -> Iterable[int]:
    """The seeds that follow."""
    return range(max(seeds) + 1, MOST_SEED + 1)


def other_seeds(seed: int) -> Iterator[int]:
    """Seeds that belong to no neighbor of ``seed``: those next to it may be other results', which would get the same
    tumor.
    """
    for attempt in count(1):
        yield int(np.random.SeedSequence([seed, attempt]).generate_state(1, np.uint64)[0] >> 1)
