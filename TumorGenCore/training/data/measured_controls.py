"""Measures on a training example what the vector field is told about its tumor."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.lesions.form import solidity
from TumorGenCore.lesions.pattern import core_over_rim, evenness
from TumorGenCore.method.controls import TumorControls

__all__ = ["measure_controls"]


def measure_controls(suv: NDArray, mask: NDArray, coverage: NDArray) -> TumorControls:
    """Measures the properties of a tumor in a working patch.

    Args:
        suv: (k, j, i), voxels of equal edges.
        mask: (k, j, i), above 0 in the tumor.
        coverage: share of each voxel inside the box, (k, j, i).
    """
    inside = mask > 0
    if not inside.any():
        return TumorControls()
    solid = solidity(inside, (1.0, 1.0, 1.0))
    return TumorControls(
        fill=float(inside.sum() / max(coverage.sum(), 1)),
        suv=float(np.percentile(suv[inside], 95)),
        evenness=evenness(suv, inside),
        core=core_over_rim(suv, inside),
        solidity=None if math.isnan(solid) else solid,
    )
