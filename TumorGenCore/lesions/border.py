"""Border of a lesion: how its uptake falls from inside to outside, and whether it follows the axes of the voxels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["border_anisotropy", "depth_mm", "profile", "steepest_fall"]

#: Fourth moment of the components of a random unit vector: the mean of x^4 + y^4 + z^4.
_ISOTROPIC = 0.6


def depth_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Distance of each voxel from the border of a mask, mm: positive inside, negative outside, (k, j, i).

    Args:
        mask: voxels of the lesion, (k, j, i), neither empty nor full.
        spacing_mm: voxel edges along i, j, k.
    """
    inside, outside = (ndimage.distance_transform_edt(part, sampling=spacing_mm[::-1]) for part in (mask, ~mask))
    half = float(np.mean(spacing_mm)) / 2
    return np.where(mask, inside - half, half - outside)


def profile(suv: NDArray, depth: NDArray, bins_mm: tuple[float, ...], low: float, height: float) -> NDArray[np.float64]:
    """Mean uptake in shells around the border, 0 at ``low`` and 1 at ``low + height``.

    Args:
        suv: SUV, (k, j, i).
        depth: from ``depth_mm``, same shape.
        bins_mm: borders of the shells, rising, mm.
        low: SUV of the tissue around.
        height: rise of the lesion above it, SUV.

    Returns:
        One value for each shell, (len(bins_mm) - 1,); NaN where a shell has no voxel.
    """
    which = np.digitize(depth.ravel(), bins_mm)
    count = np.bincount(which, minlength=len(bins_mm) + 1)[1 : len(bins_mm)]
    total = np.bincount(which, weights=suv.ravel(), minlength=len(bins_mm) + 1)[1 : len(bins_mm)]
    mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return (mean - low) / height if height > 0 else np.full(len(count), np.nan)


def steepest_fall(suv: NDArray, depth: NDArray, spacing_mm: tuple[float, float, float], height: float) -> float:
    """Median steepness of the uptake at the border, as a share of the lesion's height, 1/mm.

    Args:
        suv: SUV, (k, j, i).
        depth: from ``depth_mm``, same shape.
        spacing_mm: voxel edges along i, j, k.
        height: rise of the lesion above the tissue around, SUV.

    Returns:
        0 or more; NaN without a border or a height.
    """
    rim = np.abs(depth) <= float(np.max(spacing_mm))
    if height <= 0 or not rim.any():
        return math.nan
    steep = np.linalg.norm(_slopes(suv, rim, spacing_mm), axis=0)
    return float(np.median(steep)) / height


def border_anisotropy(values: NDArray, depth: NDArray, spacing_mm: tuple[float, float, float]) -> float:
    """Whether the slope at the border lies along the axes of the voxels: 0 for a ball, 0.4 for a cube.

    It is the mean of x^4 + y^4 + z^4 over the directions of the slope, weighted by its steepness, minus 0.6, which
    random directions have.

    Args:
        values: SUV, or a mask smoothed as the uptake is, (k, j, i).
        depth: from ``depth_mm``, same shape.
        spacing_mm: voxel edges along i, j, k.

    Returns:
        -0.27 to 0.4; NaN without a slope.
    """
    rim = np.abs(depth) <= float(np.max(spacing_mm))
    slopes = _slopes(values, rim, spacing_mm)
    steep = np.linalg.norm(slopes, axis=0)
    if not (steep > 0).any():
        return math.nan
    units = slopes[:, steep > 0] / steep[steep > 0]
    return float(np.average((units**4).sum(axis=0), weights=steep[steep > 0])) - _ISOTROPIC


def _slopes(values: NDArray, where: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Slope along k, j, i at some voxels, per mm, (3, n)."""
    along = [np.gradient(values.astype(np.float64), step, axis=axis) for axis, step in enumerate(spacing_mm[::-1])]
    return np.stack([slope[where] for slope in along])
