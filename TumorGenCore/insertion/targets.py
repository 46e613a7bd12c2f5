"""A tumor as hot as asked: what it adds to the tissue is scaled until its SUVmax or SUVmean is reached.

A model that hears what is asked grows a tumor of about that uptake; one number does the rest. So the tumor keeps its
shape, the relative texture inside it and its blurred edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.request import UptakeTarget

__all__ = ["MOST_GAIN", "TARGET_TOLERANCE", "fit_gain", "misses"]

#: How near a tumor must come to the SUV or the fill asked for, relative.
TARGET_TOLERANCE = 0.05
#: A tumor that would have to be scaled beyond this has too little texture of its own to look like one.
MOST_GAIN = 10.0


def fit_gain(native_suv: NDArray, change: TissueChange, mask: NDArray[np.bool_], target: UptakeTarget | None) -> float:
    """The gain with which the tumor comes nearest to the target; 0 to ``MOST_GAIN``.

    Args:
        native_suv: the tissue, any shape.
        change: what the tumor does to it, same shape.
        mask: the tumor, same shape.
        target: what to reach; the gain is 1 where there is none, or the mask is empty.
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


def misses(reached: float, asked: float) -> bool:
    """Whether a measure is further from what was asked for than ``TARGET_TOLERANCE``."""
    return abs(reached / asked - 1) > TARGET_TOLERANCE
