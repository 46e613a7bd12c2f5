"""Resolution restored: what resampling and the VAE blur of a tumour, undone.

A tumour is learnt from scans that were resampled on the working patch, and comes out of the VAE's decoder; both blur
it. How much is measured on lesions that go the same way (``training.blur``), and a bundle carries what undoes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["ResolutionRecovery"]

#: Deviations of the Gaussian beyond which its weight is left out.
_TRUNCATE = 3.0


@dataclass(frozen=True)
class ResolutionRecovery:
    """One step of Van Cittert's deconvolution, f + amount (f - G f), with a Gaussian G.

    Args:
        amount: 0 leaves tumours as the decoder makes them.
        sigma: of the Gaussian, voxels of the working patch: what the VAE blurs goes with them.

    Raises:
        ValueError: a negative amount, or a width that is not positive.
    """

    amount: float = 0.0
    sigma: float = 1.2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and self.amount >= 0):
            raise ValueError(f"amount is {self.amount}; it must be 0 or more.")
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(f"sigma is {self.sigma}; it must be positive.")

    def detail(self, values: NDArray) -> NDArray[np.float32]:
        """f - G f: what the Gaussian takes away, (k, j, i)."""
        smooth = ndimage.gaussian_filter(values, self.sigma, mode="nearest", truncate=_TRUNCATE)
        lost: NDArray[np.float32] = (values - smooth).astype(np.float32)
        return lost

    def restored(self, suv: NDArray, original_suv: NDArray) -> NDArray[np.float32]:
        """A patch with a tumour, sharpened in what the tumour adds; the tissue's own texture stays as it is.

        A step of deconvolution swings below zero beside an edge: there nothing is added, or a dark ring would be drawn
        around the tumour. Where a tumour lowers uptake it stays as it is.

        Args:
            suv: D(z), (k, j, i).
            original_suv: D(z_1), same shape.
        """
        if self.amount == 0:
            return suv
        change = suv - original_suv
        sharp = np.maximum(change + self.amount * self.detail(change), 0)
        return (original_suv + np.where(change > 0, sharp, change)).astype(np.float32)

    def as_dict(self) -> dict[str, float]:
        """For a bundle's metadata; the inverse of ``parse``."""
        return {"amount": self.amount, "sigma": self.sigma}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> ResolutionRecovery:
        """From a bundle's metadata; what is missing keeps its default.

        Raises:
            ValueError, TypeError: an entry of another kind.
        """
        return cls(**{name: float(value) for name, value in values.items()})
