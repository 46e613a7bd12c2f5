"""Sharpening that restores the resolution of a tumor.

The model learns tumors from scans that are resampled to the working patch, and the VAE decodes them; both blur them.
``training.blur`` measures the blur on real lesions that go the same way. The bundle stores the sharpening against it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.bundle.metadata_numbers import MetadataNumbers

__all__ = ["ResolutionRecovery"]

#: Deviations of the Gaussian beyond which its weight is left out.
_TRUNCATE = 3.0


@dataclass(frozen=True)
class ResolutionRecovery(MetadataNumbers):
    """One step of Van Cittert's deconvolution, f + amount (f - G f), with a Gaussian G.

    Args:
        amount: strength; 0 leaves tumors as they are decoded.
        sigma: standard deviation of the Gaussian, in voxels of the working patch, like the blur of the VAE.

    Raises:
        ValueError: the amount is negative, or sigma is not positive.
    """

    amount: float = 0.0
    sigma: float = 1.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma == 0:
            raise ValueError(f"sigma is {self.sigma}; it must be positive.")

    def detail(self, values: NDArray) -> NDArray[np.float32]:
        """Detail that the Gaussian removes, f - G f, (k, j, i)."""
        smooth = ndimage.gaussian_filter(values, self.sigma, mode="nearest", truncate=_TRUNCATE)
        lost: NDArray[np.float32] = (values - smooth).astype(np.float32)
        return lost

    def restored(self, suv: NDArray, original_suv: NDArray) -> NDArray[np.float32]:
        """Sharpens the uptake that a tumor adds to a patch; the tissue's own texture stays as it is.

        Deconvolution falls below zero beside an edge. There the tumor adds nothing, to avoid a dark ring around it.
        Voxels whose uptake the tumor lowers stay as they are.

        Args:
            suv: D(z), (k, j, i).
            original_suv: D(z_1), same shape.
        """
        if self.amount == 0:
            return suv
        change = suv - original_suv
        sharp = np.maximum(change + self.amount * self.detail(change), 0)
        return (original_suv + np.where(change > 0, sharp, change)).astype(np.float32)
