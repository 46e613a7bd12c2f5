"""Combines tumor and tissue: a hotter tumor adds uptake, a colder one reduces the tissue's uptake by a share.

So the tissue under and around a tumor stays the patient's, with its texture. The code works on SUV arrays of any shape,
without grids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.insertion.zoom import zoomed

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

    def blurred(self, sigma_voxels: float) -> TissueChange:
        """The change whose rise is blurred by a Gaussian; only for arrays on an isotropic grid.

        Args:
            sigma_voxels: standard deviation of the Gaussian, voxels; 0 changes nothing.
        """
        if sigma_voxels == 0:
            return self
        return TissueChange(ndimage.gaussian_filter(self.rise, sigma_voxels, truncate=3), self.kept)

    def zoomed(self, zoom: float, still: NDArray) -> TissueChange:
        """The change whose rise is zoomed about a point; what falls is tissue, and keeps its place.

        Args:
            zoom: factor for edges.
            still: the point that stays, in voxels (k, j, i).
        """
        return TissueChange(zoomed(self.rise, zoom, still), self.kept)

    def __getitem__(self, where: NDArray[np.bool_]) -> TissueChange:
        return TissueChange(self.rise[where], self.kept[where])


def tissue_change(
    synthetic_suv: NDArray, original_suv: NDArray, probability: NDArray | float = 0.0, tissue_suv: float = math.inf
) -> TissueChange:
    """Computes the change from D(z_1) to D(z).

    Inside the tumor, tissue that is hotter than the tissue around (an old tumor, a vessel, an organ) first falls to its
    level, so that it does not shine through a tumor that is scaled down to a wanted uptake.

    Args:
        synthetic_suv: I' = D(z), any shape.
        original_suv: D(z_1), same shape: the scan itself after the VAE, so that the VAE's blur cancels.
        probability: M', same shape.
        tissue_suv: SUV of the tissue around the box.
    """
    synthetic, original = np.maximum(synthetic_suv, 0), np.maximum(original_suv, 0)
    cooled = np.minimum((tissue_suv + FAINT_SUV) / (original + FAINT_SUV), 1)
    kept = np.minimum((synthetic + FAINT_SUV) / (original + FAINT_SUV), 1 - probability * (1 - cooled))
    return TissueChange(np.maximum(synthetic - kept * original, 0), kept)
