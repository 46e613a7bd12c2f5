"""The three rules that decide whether a tumor is grown again, and with which settings.

- No zoom gives the tumor the wanted fill: same seed, and the model is told a larger or smaller one (``FillSearch``).
- The tumor is a speck, and the user gave no fill: same seed, and the model is told a larger fill (``SpeckRule``).
- The quality is poor, and the user wants several tumors: another seed (``QualityRule``).

The first two keep the noise, and with it the place of the tumor. The rules do not use networks: each gets the reached
value and returns what to try next.
"""

from __future__ import annotations

import sys
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

#: Largest number of replacements because of quality, for each wanted tumor.
REDRAWS_EACH = 2


class FillRule(Protocol):
    """Rule that grows a tumor again with the same noise until its fill is good enough."""

    def next_told(self, reached: float, zoom: float = 1.0) -> float | None:
        """Returns the fill to tell the model next; None if the tumor is done.

        Args:
            reached: share of the box that the newest tumor fills, after its zoom.
            zoom: its zoom.
        """

    @property
    def best(self) -> int:
        """Number of the try to use, from 0."""


class FillSearch:
    """Searches for the fill that a user wants; uses the nearest of at most ``FILL_TRIES`` tumors.

    Each tumor is zoomed toward the wanted fill (``targets.fit_zoom``). If that is not enough, the told fill is
    multiplied by what the tumor lacked before its zoom: with the same noise, it grows steadily with the told fill.

    Args:
        fill: the wanted fill, 0 to 1, which the model is told first.
        most_edge: largest cube root of a fill that the model can be told.
    """

    def __init__(self, fill: float, most_edge: float) -> None:
        self.fill, self.most_edge = fill, most_edge
        self._told = fill
        self._errors: list[float] = []

    def next_told(self, reached: float, zoom: float = 1.0) -> float | None:
        """See ``FillRule``."""
        self._errors.append(abs(reached - self.fill))
        if not misses(reached, self.fill) or len(self._errors) == FILL_TRIES:
            return None
        lacked = self.fill * zoom**3 / max(reached, sys.float_info.min)
        told = float(np.clip(self._told * lacked, LEAST_TOLD**3, self.most_edge**3))
        if told == self._told:  # At the limit of the told fill, the same tumor would grow.
            return None
        self._told = told
        return told

    @property
    def best(self) -> int:
        """See ``FillRule``."""
        return int(np.argmin(self._errors))


class SpeckRule:
    """Grows specks again, because some noise grows almost no tumor. The model is told more until it grows no speck.

    Args:
        drawn: the drawn fill; None if there is none, and then every tumor is good enough.
        tuning: limit for specks, and the factors to tell more.
    """

    def __init__(self, drawn: float | None, tuning: Tuning) -> None:
        self.drawn, self.tuning = drawn, tuning
        self._more: Iterator[float] = iter(tuning.speck_tries)
        self._tries = 0

    def next_told(self, reached: float, zoom: float = 1.0) -> float | None:
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
    """Number and seeds of the tumors that replace those of too low quality.

    Args:
        seeds: seeds of the wanted tumors.
        least_quality: lowest accepted total of a tumor; None replaces none.
        redraw_seeds: seeds of the replacements, in order; None counts up from the highest of ``seeds``.
    """

    def __init__(
        self, seeds: Sequence[int], least_quality: float | None, redraw_seeds: Iterable[int] | None = None
    ) -> None:
        self.least = least_quality or 0.0
        self._spare = islice(next_seeds(seeds) if redraw_seeds is None else redraw_seeds, REDRAWS_EACH * len(seeds))

    def is_good(self, total: float) -> bool:
        """Whether a tumor of this quality is good enough."""
        return total >= self.least

    def next_seeds(self, missing: int) -> list[int]:
        """Returns seeds for the number of missing tumors; fewer or none if the limit of replacements is reached."""
        return list(islice(self._spare, missing))


def next_seeds(seeds: Sequence[int]) -> Iterable[int]:
    """Returns the seeds after the highest seed."""
    return range(max(seeds) + 1, MOST_SEED + 1)


def other_seeds(seed: int) -> Iterator[int]:
    """Yields seeds far from ``seed``, because near ones may belong to other results and would repeat their tumors."""
    for attempt in count(1):
        yield int(np.random.SeedSequence([seed, attempt]).generate_state(1, np.uint64)[0]) >> 1
