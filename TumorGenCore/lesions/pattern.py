"""Pattern of the uptake inside a lesion: how even it is, and how its core compares with its rim."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["core_over_rim", "evenness"]

#: The core is the deepest third of the voxels of a lesion, the rim is the outermost third, in percent.
_RIM, _CORE = 33, 67


def evenness(suv: NDArray, mask: NDArray[np.bool_]) -> float:
    """Mean SUV of a lesion over its 95th percentile; 1 for even uptake.

    Args:
        suv: SUV, any shape.
        mask: voxels of the lesion, same shape, not empty.
    """
    uptake = suv[mask]
    return float(uptake.mean() / max(np.percentile(uptake, 95), 1e-3))


def core_over_rim(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float] = (1, 1, 1)) -> float:
    """Mean SUV of the deepest third of a lesion over that of its outermost third; below 1 with a cold core.

    Args:
        suv: SUV, (k, j, i).
        mask: voxels of the lesion, same shape, not empty.
        spacing_mm: voxel edges along i, j, k.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    inside = depth[mask]
    rim, core = np.percentile(inside, (_RIM, _CORE))
    uptake = suv[mask]
    return float(uptake[inside >= core].mean() / max(uptake[inside <= rim].mean(), 1e-3))
