"""What is asked of a tumor where the user asks nothing: drawn, so that seeds differ as patients' tumors do.

Left to itself the model makes tumors of about one uptake in a box, and smaller ones than a rough box is drawn around.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from TumorGenCore.bundle.metadata_numbers import MetadataNumbers

__all__ = ["FillLaw", "UptakeLaw"]

#: Most of a box that a tumor is asked to fill: an ellipsoid that touches all faces fills 0.52.
MOST_FILL = 0.4


@dataclass(frozen=True)
class UptakeLaw(MetadataNumbers):
    """A log-normal law of the 95th percentile SUV that the model is asked for (``TumorControls.suv``).

    Args:
        median_suv: 0 draws none, and the uptake is left to the model.
        spread: deviation of the natural logarithm.
        least_contrast: over the median of the tissue around the box; a fainter tumor would not be seen.
        most_raised_suv: its contrast raises no tumor above this, or in liver it would be hotter than any.

    Raises:
        ValueError: a negative or infinite number.
    """

    median_suv: float = 0.0
    spread: float = 0.5
    least_contrast: float = 4.0
    most_raised_suv: float = 10.0

    def draw(self, seed: int, tissue_suv: float) -> float | None:
        """The SUV to ask for; None leaves it to the model.

        Args:
            seed: of the tumor's noise.
            tissue_suv: median of the tissue around the box.
        """
        if self.median_suv == 0:
            return None
        least = min(self.least_contrast * tissue_suv, self.most_raised_suv)
        return max(_log_normal(self.median_suv, self.spread, seed, 1), least)


@dataclass(frozen=True)
class FillLaw(MetadataNumbers):
    """A log-normal law of the share of the box that the model is asked to fill (``TumorControls.fill``).

    Of that the model fills a half in small boxes, nine tenths in large ones.

    Args:
        median: 0 draws none, and the size is left to the model.
        spread: deviation of the natural logarithm.

    Raises:
        ValueError: a negative or infinite number.
    """

    median: float = 0.0
    spread: float = 0.3

    def draw(self, seed: int) -> float | None:
        """The share to ask for, ``MOST_FILL`` at most; None leaves it to the model.

        Args:
            seed: of the tumor's noise.
        """
        if self.median == 0:
            return None
        return min(_log_normal(self.median, self.spread, seed, 2), MOST_FILL)


def _log_normal(median: float, spread: float, seed: int, stream: int) -> float:
    """One number for a seed; each stream has its own, so that what is drawn does not depend on what else is."""
    return median * math.exp(spread * np.random.default_rng([seed, stream]).normal())
