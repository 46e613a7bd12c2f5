"""How a tumor joins the tissue: it adds where it is hotter, and cools by a share where it is colder.

So the tissue under and around a tumor stays the patient's, with its texture. It does not know grids: arrays of any
shape, in SUV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAINT_SUV", "TissueChange", "tissue_change"]

#: Uptake below which a ratio says nothing, SUV.
FAINT_SUV = 0.05


@dataclass(frozen=True)
class TissueChange:
    """What a tumor does to the tissue.

    A fall is a share and not a difference, since noise goes with uptake: where an old tumor is taken out, its grain is
    taken out too.

    Args:
        rise: SUV added, 0 or more, any shape.
        kept: share of the tissue's own SUV that stays, 0 to 1, same shape.
    """

    rise: NDArray
    kept: NDArray

    def on(self, native_suv: NDArray, gain: float = 1.0) -> NDArray[np.float64]:
        """The tissue with the tumor, its rise times ``gain``; never below zero but where the tissue was."""
        return native_suv * self.kept + gain * self.rise

    def faded(self, window: NDArray) -> TissueChange:
        """The change times a window, 0 (no change) to 1, same shape."""
        return TissueChange(self.rise * window, 1 + (self.kept - 1) * window)

    def __getitem__(self, where: NDArray[np.bool_]) -> TissueChange:
        return TissueChange(self.rise[where], self.kept[where])


def tissue_change(synthetic_suv: NDArray, original_suv: NDArray) -> TissueChange:
    """The change from D(z_1) to D(z).

    Args:
        synthetic_suv: I' = D(z), any shape.
        original_suv: D(z_1), same shape: what the VAE makes of the scan itself, so that its blur cancels.
    """
    share = (np.maximum(synthetic_suv, 0) + FAINT_SUV) / (np.maximum(original_suv, 0) + FAINT_SUV)
    return TissueChange(np.maximum(synthetic_suv - original_suv, 0), np.minimum(share, 1))
