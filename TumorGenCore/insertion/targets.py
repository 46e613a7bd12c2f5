"""Scales the uptake that a tumor adds to the tissue until the tumor has the wanted SUVmax or SUVmean.

A model with controls already grows a tumor of about this uptake; one factor corrects the rest. So the tumor keeps its
shape, its relative texture and its blurred edge.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.request import UptakeTarget

__all__ = ["MOST_GAIN", "TARGET_TOLERANCE", "check_reachable", "fit_gain", "highest_suv", "misses"]

#: Largest accepted relative error of the wanted SUV or fill.
TARGET_TOLERANCE = 0.05
#: Largest factor. A tumor that needs more has too little texture of its own to look real.
MOST_GAIN = 10.0


def fit_gain(native_suv: NDArray, change: TissueChange, mask: NDArray[np.bool_], target: UptakeTarget | None) -> float:
    """Returns the gain that brings the tumor nearest to the target, 0 to ``MOST_GAIN``.

    Args:
        native_suv: SUV of the tissue, any shape.
        change: change of the tissue by the tumor, same shape.
        mask: voxels of the tumor, same shape.
        target: uptake to reach; the gain is 1 if there is none, or if the mask is empty.
    """
    if target is None or not mask.any():
        return 1.0
    native, inside = native_suv[mask], change[mask]

    def excess(gain: float) -> float:
        return target.of(inside.on(native, gain)) - target.suv

    if excess(0.0) >= 0:
        return 0.0
    if excess(MOST_GAIN) <= 0:
        return MOST_GAIN
    gain: float = brentq(excess, 0.0, MOST_GAIN, xtol=1e-6)
    return gain


def highest_suv(voxel_type: np.dtype, suv_factor: float) -> float:
    """Highest SUV that voxels of a type can hold; infinite for floats."""
    return float(np.iinfo(voxel_type).max * suv_factor) if voxel_type.kind in "iu" else math.inf


def check_reachable(target: UptakeTarget | None, highest_suv: float, voxel_type: np.dtype) -> None:
    """Rejects a target that the voxels of a scan cannot hold.

    Args:
        target: the uptake to reach, if there is one.
        highest_suv: highest SUV that the voxels can hold.
        voxel_type: their type, for the message.

    Raises:
        InvalidRequestError: the target is higher.
    """
    if target is not None and target.suv > highest_suv:
        raise InvalidRequestError(
            f"The target SUV{target.measure} is {target.suv:g}, but the voxel type {voxel_type} of this scan ends at "
            f"SUV {highest_suv:.3g}. Convert the scan to float32 or a wider integer type, or ask for less."
        )


def misses(reached: float, asked: float) -> bool:
    """Whether a reached value differs from the wanted one by more than ``TARGET_TOLERANCE``."""
    return abs(reached / asked - 1) > TARGET_TOLERANCE
