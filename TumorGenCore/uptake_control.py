"""A tumour as hot as asked: the uptake it adds is scaled until its SUVmax or SUVmean is reached.

Only what the tumour *adds* to the tissue is scaled, by one number. So its shape, its mask, the relative texture inside
it and its blurred edge stay those of the tumour that was generated, and the tissue under and around it stays the
patient's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

__all__ = ["UptakeTarget", "add_change", "fit_gain"]

#: A tumour that would have to be scaled beyond this has too little texture of its own to look like one.
MOST_GAIN = 10.0


@dataclass(frozen=True)
class UptakeTarget:
    """What the user asks for.

    Args:
        measure: ``max`` or ``mean``, over the tumour's mask.
        suv: the SUV to reach.

    Raises:
        ValueError: an SUV that is not a positive number, or an unknown measure.
    """

    measure: Literal["max", "mean"]
    suv: float

    def __post_init__(self) -> None:
        if self.measure not in ("max", "mean"):
            raise ValueError(f"The target is for SUV{self.measure}; it can be for SUVmax or SUVmean.")
        if not (math.isfinite(self.suv) and self.suv > 0):
            raise ValueError(f"The target SUV{self.measure} is {self.suv}; give a positive number.")

    def of(self, uptake: NDArray) -> float:
        """The measure of a tumour's voxels, any shape, SUV."""
        return float(uptake.max() if self.measure == "max" else uptake.mean())


def add_change(native_suv: NDArray, change_suv: NDArray, gain: float = 1.0) -> NDArray[np.float64]:
    """Tissue with the tumour: the rise times ``gain``, the fall as it is, never below zero but where tissue was.

    Args:
        native_suv: the tissue, any shape.
        change_suv: what the tumour changes, same shape, already faded towards the box's faces.
        gain: of the rise.
    """
    changed = native_suv + np.where(change_suv > 0, gain, 1.0) * change_suv
    return np.maximum(changed, np.minimum(native_suv, 0))


def fit_gain(native_suv: NDArray, change_suv: NDArray, mask: NDArray[np.bool_], target: UptakeTarget) -> float:
    """The gain with which the tumour comes nearest to the target; 0 to ``MOST_GAIN``, 1 for an empty mask.

    Args:
        native_suv, change_suv: see ``add_change``.
        mask: the tumour, same shape.
        target: what to reach.
    """
    if not mask.any():
        return 1.0
    native, change = native_suv[mask], change_suv[mask]

    def excess(gain: float) -> float:
        return target.of(add_change(native, change, gain)) - target.suv

    if excess(0.0) >= 0:
        return 0.0
    if excess(MOST_GAIN) <= 0:
        return MOST_GAIN
    gain: float = brentq(excess, 0.0, MOST_GAIN, xtol=1e-6)
    return gain
