"""Scales a grown tumor until it has the wanted uptake and the wanted fill.

A model with controls already grows a tumor of about this uptake and size; one factor each corrects the rest: a gain of
the uptake that the tumor adds to the tissue, and a zoom within its box. So the tumor keeps its shape and its relative
texture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.resolved import UptakeTarget
from TumorGenCore.insertion.zoom import LEAST_ZOOM, MOST_ZOOM

if TYPE_CHECKING:
    from TumorGenCore.insertion.paste import Pasted
    from TumorGenCore.insertion.sphere_means import SphereMeans

__all__ = ["MOST_GAIN", "TARGET_TOLERANCE", "check_reachable", "fit_gain", "fit_zoom", "highest_suv", "misses"]

#: Largest accepted relative error of the wanted SUV or fill.
TARGET_TOLERANCE = 0.05
#: Largest factor. A tumor that needs more has too little texture of its own to look real.
MOST_GAIN = 10.0
#: Largest number of zooms that are tried for one grown tumor, 1 among them. Its mask is fitted after each, so the fill
#: does not follow the cube of the zoom.
_ZOOMS = 8


def fit_gain(
    native_suv: NDArray,
    change: TissueChange,
    mask: NDArray[np.bool_],
    target: UptakeTarget | None,
    spheres: SphereMeans | None = None,
) -> float:
    """Returns the gain that brings the tumor nearest to the target, 0 to ``MOST_GAIN``.

    Args:
        native_suv: SUV of the tissue, any shape.
        change: change of the tissue by the tumor, same shape.
        mask: voxels of the tumor, same shape.
        target: uptake to reach; the gain is 1 if there is none, or if the mask is empty.
        spheres: means over spheres in these voxels; for SUVpeak, and only for it.
    """
    if target is None or not mask.any():
        return 1.0
    if spheres is not None:
        # A mean over a sphere is linear in the gain too, so the means take the place of the voxels.
        native, grown = (spheres.of(change.on(native_suv, gain), mask) for gain in (0.0, 1.0))
        inside = TissueChange(grown - native, np.ones_like(native))
    else:
        native, inside = native_suv[mask], change[mask]

    def excess(gain: float) -> float:
        return target.of(inside.on(native, gain)) - target.suv

    if excess(0.0) >= 0:
        return 0.0
    if excess(MOST_GAIN) <= 0:
        return MOST_GAIN
    gain: float = brentq(excess, 0.0, MOST_GAIN, xtol=1e-6)
    return gain


def fit_zoom(fill: float | None, paste_at: Callable[[float], Pasted]) -> tuple[float, Pasted]:
    """Returns the zoom that brings the tumor nearest to the wanted fill, and the tumor that was pasted with it.

    Args:
        fill: wanted share of the box, 0 to 1; the zoom is 1 if there is none, or if no tumor grew.
        paste_at: pastes the tumor with a zoom, ``LEAST_ZOOM`` to ``MOST_ZOOM``.
    """
    zoom, low, high = 1.0, LEAST_ZOOM, MOST_ZOOM
    tried = {zoom: paste_at(zoom)}
    if fill is None or tried[zoom].fill == 0:
        return zoom, tried[zoom]
    while misses(tried[zoom].fill, fill) and len(tried) < _ZOOMS:
        reached = tried[zoom].fill
        low, high = (zoom, high) if reached < fill else (low, zoom)
        zoom = float(np.clip(zoom * np.cbrt(fill / max(reached, 1e-9)), low, high))
        if zoom in tried:
            zoom = (low + high) / 2
        if zoom in tried:  # At a limit.
            break
        tried[zoom] = paste_at(zoom)
    best = min(tried, key=lambda one: abs(tried[one].fill - fill))
    return best, tried[best]


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
            f"The target {target.name} is {target.value}, but the voxel type {voxel_type} of this scan ends at "
            f"SUV {highest_suv:.3g}. Convert the scan to float32 or a wider integer type, or ask for less."
        )


def misses(reached: float, asked: float) -> bool:
    """Whether a reached value differs from the wanted one by more than ``TARGET_TOLERANCE``."""
    return abs(reached / asked - 1) > TARGET_TOLERANCE
