"""Combines tumor and tissue: a hotter tumor adds uptake, a colder one reduces the tissue's uptake by a share.

So the tissue under and around a tumor stays the patient's, with its texture. The code works on SUV arrays of any shape,
without grids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["FAINT_SUV", "TissueChange", "tissue_change"]

#: Added to numerator and denominator of a ratio: below this SUV ratios mean nothing.
FAINT_SUV = 0.05


@dataclass(frozen=True)
class TissueChange:
    """Change of the tissue by a tumor.

    A fall is a share and not a difference, because noise scales with uptake: removing an old tumor removes its noise
    too.

    Args:
        rise: added SUV, 0 or more, any shape.
        kept: share of the tissue's own SUV that stays, 0 to 1, same shape.
    """

    rise: NDArray
    kept: NDArray

    def on(self, native_suv: NDArray, gain: float = 1.0) -> NDArray[np.float64]:
        """Tissue with the tumor, with the rise times ``gain``; negative only where the tissue was negative."""
        return native_suv * self.kept + gain * self.rise

    def faded(self, window: NDArray) -> TissueChange:
        """The change multiplied by a window, 0 (no change) to 1, same shape."""
        return TissueChange(self.rise * window, 1 + (self.kept - 1) * window)

    def with_noise(self, noise: NDArray) -> TissueChange:
        """The change with noise in proportion to its rise, which stays 0 or more.

        Args:
            noise: relative noise, mean 0, same shape.
        """
        return TissueChange(self.rise * np.maximum(1 + noise, 0), self.kept)

    def without_hot_spots(self, native_suv: NDArray, soft_mask: NDArray, most_suv: float) -> TissueChange:
        """The change that also lowers hot spots of the tissue inside the tumor, which would stand out of a faint one.

        Args:
            native_suv: SUV of the tissue, same shape.
            soft_mask: share of the tumor in each voxel, same shape.
            most_suv: highest SUV of the tissue that stays.
        """
        most_kept = np.minimum(most_suv / np.maximum(native_suv, 1e-6), 1)
        return TissueChange(self.rise, self.kept * (1 - soft_mask * (1 - most_kept)))

    def blurred(self, sigma_voxels: float) -> TissueChange:
        """The change whose rise is blurred by a Gaussian; only for arrays on an isotropic grid.

        Args:
            sigma_voxels: standard deviation of the Gaussian, voxels; 0 changes nothing.
        """
        if sigma_voxels == 0:
            return self
        return TissueChange(ndimage.gaussian_filter(self.rise, sigma_voxels, truncate=3), self.kept)

    def __getitem__(self, where: NDArray[np.bool_]) -> TissueChange:
        return TissueChange(self.rise[where], self.kept[where])


def tissue_change(synthetic_suv: NDArray, original_suv: NDArray) -> TissueChange:
    """Computes the change from D(z_1) to D(z).

    Args:
        synthetic_suv: I' = D(z), any shape.
        original_suv: D(z_1), same shape: the scan itself after the VAE, so that the VAE's blur cancels.
    """
    share = (np.maximum(synthetic_suv, 0) + FAINT_SUV) / (np.maximum(original_suv, 0) + FAINT_SUV)
    return TissueChange(np.maximum(synthetic_suv - original_suv, 0), np.minimum(share, 1))
