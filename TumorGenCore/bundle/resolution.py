"""Resolution restored: what resampling and the VAE blur of a tumor, undone.

A tumor is learned from scans that were resampled on the working patch, and comes out of the VAE's decoder; both blur
it. How much is measured on lesions that go the same way (``training.blur``), and a bundle carries what undoes it.
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
        amount: 0 leaves tumors as the decoder makes them.
        sigma: of the Gaussian, voxels of the working patch: what the VAE blurs goes with them.

    Raises:
        ValueError: a negative amount, or a width that is not positive.
    """

    amount: float = 0.0
    sigma: float = 1.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma == 0:
            raise ValueError(f"sigma is {self.sigma}; it must be positive.")

    def detail(self, values: NDArray) -> NDArray[np.float32]:
        """F - G f: what the Gaussian takes away, (k, j, i)."""
        smooth = ndimage.gaussian_filter(values, self.sigma, mode="nearest", truncate=_TRUNCATE)
        lost: NDArray[np.float32] = (values - smooth).astype(np.float32)
        return lost

    def restored(self, suv: NDArray, original_suv: NDArray) -> NDArray[np.float32]:
        """A patch with a tumor, sharpened in what the tumor adds; the tissue's own texture stays as it is.

        A step of deconvolution swings below zero beside an edge: there nothing is added, or a dark ring would be drawn
        around the tumor. Where a tumor lowers uptake it stays as it is.

        Args:
            suv: D(z), (k, j, i).
            original_suv: D(z_1), same shape.
        """
        if self.amount == 0:
            return suv
        change = suv - original_suv
        sharp = np.maximum(change + self.amount * self.detail(change), 0)
        return (original_suv + np.where(change > 0, sharp, change)).astype(np.float32)
