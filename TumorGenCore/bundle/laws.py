"""Laws from which uptake and fill of a tumor are drawn if the user gives none. So seeds differ as real tumors do.

Without them, all tumors of the model in one box have about the same uptake. They are also smaller than a user expects
in a rough box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from TumorGenCore.bundle.metadata_numbers import MetadataNumbers

__all__ = ["FillLaw", "NoiseLaw", "UptakeLaw"]

#: Tissue and volume for which a law states its median: those of the sarcomas from which the shipped one was taken.
TISSUE_SUV, VOLUME_ML = 0.6, 200.0
#: Largest share of a box that is drawn: an ellipsoid that touches all faces fills 0.52.
MOST_FILL = 0.4


@dataclass(frozen=True)
class UptakeLaw(MetadataNumbers):
    """Law of SUVmax as patients have it. A drawn SUVmax is reached, as one that a user asks for.

    ``SUVmax = median (tissue / 0.6)^tissue_power (volume / 200 ml)^volume_power exp(spread z)``, with z normal: lesions
    in hot tissue are hotter, and so are large ones. Faint lesions are drawn as often as patients have them.

    Args:
        median_suv_max: median SUVmax in tissue of SUV 0.6 at a volume of 200 ml; 0 draws no value and leaves the uptake
            to the model.
        spread: standard deviation of the natural logarithm at one place and size.
        tissue_power: power of the SUV of the tissue around the box.
        volume_power: power of the volume that the model is told.
        least_contrast: smallest ratio of SUVmax to the tissue; below it no reader would see a tumor.
        most_suv_max: largest SUVmax; very few lesions have more.

    Raises:
        ValueError: a number is negative or infinite.
    """

    median_suv_max: float = 0.0
    spread: float = 0.6
    tissue_power: float = 0.5
    volume_power: float = 0.12
    least_contrast: float = 2.0
    most_suv_max: float = 70.0

    def draw(self, seed: int, tissue_suv: float, volume_ml: float) -> float | None:
        """Draws SUVmax; None leaves the uptake to the model.

        Args:
            seed: seed of the tumor's noise.
            tissue_suv: median SUV of the tissue around the box; 0 counts as 0.1.
            volume_ml: volume that the model is told; 0 counts as 0.1.
        """
        if self.median_suv_max == 0:
            return None
        tissue = (max(tissue_suv, 0.1) / TISSUE_SUV) ** self.tissue_power
        volume = (max(volume_ml, 0.1) / VOLUME_ML) ** self.volume_power
        drawn = _log_normal(self.median_suv_max * tissue * volume, self.spread, seed, 1)
        return max(min(drawn, self.most_suv_max), self.least_contrast * tissue_suv)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Reads the law from a bundle's metadata; see ``MetadataNumbers.parse``.

        Until software 0.6.0 the law was of the 95th percentile that the model is told, and the same for all tissues and
        volumes. A bundle from then keeps it, as a law of SUVmax.
        """
        if "median_suv" not in values:
            return super().parse(values)
        names = {"median_suv": "median_suv_max", "spread": "spread", "least_contrast": "least_contrast"}
        former = super().parse({names[name]: value for name, value in values.items() if name in names})
        return replace(former, tissue_power=0.0, volume_power=0.0)


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


@dataclass(frozen=True)
class NoiseLaw(MetadataNumbers):
    """Noise and resolution of the uptake that a tumor adds, after those of the scan (``insertion.scan_noise``).

    Args:
        share: share of the scan's own relative noise; 0 adds none. Lesions have less than the tissue around them,
            because noise grows more slowly than uptake.
        grain_mm: grain of the noise in the scans of the training patients, full width at half maximum. Noise of a
            coarser grain tells of a lower resolution, and the tumor is blurred by the difference; 0 blurs none.

    Raises:
        ValueError: a number is negative or infinite.
    """

    share: float = 0.0
    grain_mm: float = 0.0


def _log_normal(median: float, spread: float, seed: int, stream: int) -> float:
    """Draws one number for a seed. Streams are independent, so that no draw depends on other draws."""
    return median * math.exp(spread * np.random.default_rng([seed, stream]).normal())
