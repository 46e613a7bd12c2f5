"""A tumor as hot as asked, and how it joins the tissue.

A model that hears what is asked (``tumor_controls``) grows a tumor of about that uptake. The rest is one number: what
the tumor *adds* to the tissue is scaled until its SUVmax or SUVmean is reached. So its shape, the relative texture
inside it and its blurred edge stay those of the tumor that was generated, and the tissue under and around it stays the
patient's. The mask is fitted to what then shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

__all__ = ["TissueChange", "UptakeTarget", "fit_gain"]

#: SUVmax and SUVmean of a tumor on the scan's own voxels over the 95th percentile that the model is asked for: with
#: these the shipped bundle's tumors need about no scaling at the evaluation's healthy and phantom sites.
OVER_P95 = {"max": 0.92, "mean": 0.53}
#: A tumor that would have to be scaled beyond this has too little texture of its own to look like one.
MOST_GAIN = 10.0


@dataclass(frozen=True)
class UptakeTarget:
    """What the user asks for.

    Args:
        measure: ``max`` or ``mean``, over the tumor's mask.
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
        """The measure of a tumor's voxels, any shape, SUV."""
        return float(uptake.max() if self.measure == "max" else uptake.mean())

    @property
    def p95_suv(self) -> float:
        """The 95th percentile that a tumor of this measure usually has: what the model is asked for."""
        return self.suv / OVER_P95[self.measure]


@dataclass(frozen=True)
class TissueChange:
    """How a tumor changes the tissue: it adds where it is hotter, and cools by a share where it is colder.

    A fall is a share and not a difference since noise goes with uptake: of an old tumor that is taken out, its grain
    is taken out too.

    Args:
        rise: SUV added, 0 or more, any shape, already faded toward the box's faces.
        kept: share of the tissue's own SUV that stays, 0 to 1, same shape, 1 at the faces.
    """

    rise: NDArray
    kept: NDArray

    def on(self, native_suv: NDArray, gain: float = 1.0) -> NDArray[np.float64]:
        """The tissue with the tumor, its rise times ``gain``; never below zero but where the tissue was."""
        return native_suv * self.kept + gain * self.rise

    def __getitem__(self, where: NDArray[np.bool_]) -> TissueChange:
        return TissueChange(self.rise[where], self.kept[where])


def fit_gain(native_suv: NDArray, change: TissueChange, mask: NDArray[np.bool_], target: UptakeTarget) -> float:
    """The gain with which the tumor comes nearest to the target; 0 to ``MOST_GAIN``, 1 for an empty mask.

    Args:
        native_suv: the tissue, any shape.
        change: what the tumor does to it, same shape.
        mask: the tumor, same shape.
        target: what to reach.
    """
    if not mask.any():
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
