"""Laws from which uptake and fill of a tumor are drawn if the user gives none. So seeds differ as real tumors do.

Without them, all tumors of the model in one box have about the same uptake. They are also smaller than a user expects
in a rough box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from TumorGenCore.bundle.metadata_numbers import MetadataNumbers

__all__ = ["FillLaw", "UptakeLaw"]

#: Largest share of a box that is drawn: an ellipsoid that touches all faces fills 0.52.
MOST_FILL = 0.4


@dataclass(frozen=True)
class UptakeLaw(MetadataNumbers):
    """Log-normal law of the 95th percentile SUV that the model is told (``TumorControls.suv``).

    Args:
        median_suv: median of the law; 0 draws no value and leaves the uptake to the model.
        spread: standard deviation of the natural logarithm.
        least_contrast: smallest ratio to the median SUV of the tissue around the box; a fainter tumor would be
            invisible.
        most_raised_suv: highest SUV to which ``least_contrast`` raises a tumor. Without it, tumors in the liver would
            be hotter than any real tumor.

    Raises:
        ValueError: a number is negative or infinite.
    """

    median_suv: float = 0.0
    spread: float = 0.5
    least_contrast: float = 4.0
    most_raised_suv: float = 10.0

    def draw(self, seed: int, tissue_suv: float) -> float | None:
        """Draws the SUV that the model is told; None leaves it to the model.

        Args:
            seed: seed of the tumor's noise.
            tissue_suv: median SUV of the tissue around the box.
        """
        if self.median_suv == 0:
            return None
        least = min(self.least_contrast * tissue_suv, self.most_raised_suv)
        return max(_log_normal(self.median_suv, self.spread, seed, 1), least)


@dataclass(frozen=True)
class FillLaw(MetadataNumbers):
    """Log-normal law of the fill of the box that the model is told (``TumorControls.fill``).

    The tumor reaches half of the told fill in small boxes, and nine tenths in large ones.

    Args:
        median: median of the law; 0 draws no value and leaves the size to the model.
        spread: standard deviation of the natural logarithm.

    Raises:
        ValueError: a number is negative or infinite.
    """

    median: float = 0.0
    spread: float = 0.3

    def draw(self, seed: int) -> float | None:
        """Draws the fill that the model is told, at most ``MOST_FILL``; None leaves it to the model.

        Args:
            seed: seed of the tumor's noise.
        """
        if self.median == 0:
            return None
        return min(_log_normal(self.median, self.spread, seed, 2), MOST_FILL)


def _log_normal(median: float, spread: float, seed: int, stream: int) -> float:
    """Draws one number for a seed. Streams are independent, so that no draw depends on other draws."""
    return median * math.exp(spread * np.random.default_rng([seed, stream]).normal())
