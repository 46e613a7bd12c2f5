"""How hot a tumour is where nobody asks: drawn, so that tumours of several seeds differ as patients' tumours do.

Left to itself the model makes tumours of about one uptake in a box. Real ones differ by a factor of two either way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["UptakeLaw"]


@dataclass(frozen=True)
class UptakeLaw:
    """A log-normal law of the 95th percentile SUV that the model is asked for (``TumorControls.suv``).

    Args:
        median_suv: 0 draws none, and the uptake is left to the model.
        spread: deviation of the natural logarithm.
        least_contrast: over the median of the tissue around the box; a fainter tumour would not be seen.

    Raises:
        ValueError: a negative or infinite number.
    """

    median_suv: float = 0.0
    spread: float = 0.5
    least_contrast: float = 4.0

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be 0 or more.")

    def draw(self, seed: int, tissue_suv: float) -> float | None:
        """The SUV to ask for; None leaves it to the model.

        Args:
            seed: of the tumour's noise.
            tissue_suv: median of the tissue around the box.
        """
        if self.median_suv == 0:
            return None
        drawn = self.median_suv * math.exp(self.spread * np.random.default_rng([seed, 1]).normal())
        return max(drawn, self.least_contrast * tissue_suv)

    def as_dict(self) -> dict[str, float]:
        """For a bundle's metadata; the inverse of ``parse``."""
        return {"median_suv": self.median_suv, "spread": self.spread, "least_contrast": self.least_contrast}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> UptakeLaw:
        """From a bundle's metadata; what is missing keeps its default.

        Raises:
            ValueError, TypeError: an entry of another kind.
        """
        return cls(**{name: float(value) for name, value in values.items()})
