"""Texture of a lesion's uptake: how fast it changes from voxel to voxel, and its noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.extent import around

__all__ = ["AXES", "autocorrelation", "noise_share", "roughness"]

#: Names of the axes of an array (k, j, i).
AXES = ("z", "y", "x")
#: Least number of pairs of voxels for a correlation.
_LEAST_PAIRS = 12
#: Noise is what a Gaussian of this standard deviation removes, mm.
FINE_MM = 4.0


def autocorrelation(suv: NDArray, mask: NDArray[np.bool_], axis: int, lag: int = 1) -> float:
    """Pearson correlation of each voxel with the voxel ``lag`` further along an axis, both inside the mask.

    Args:
        suv: SUV, (k, j, i).
        mask: voxels of the lesion, (k, j, i).
        axis: 0, 1 or 2 for k, j, i.
        lag: distance in voxels.

    Returns:
        -1 to 1; NaN with fewer than a dozen pairs, or if the uptake is constant.
    """
    size = suv.shape[axis]
    if size <= lag:
        return math.nan
    here, there = (slice(None),) * axis + (slice(0, size - lag),), (slice(None),) * axis + (slice(lag, size),)
    both = mask[here] & mask[there]
    if both.sum() < _LEAST_PAIRS:
        return math.nan
    a, b = suv[here][both].astype(np.float64), suv[there][both].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / norm if norm > 0 else math.nan


def noise_share(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Deviation of the fine detail inside the mask, as a share of the mean uptake there.

    Fine detail is the uptake minus its mean over the neighboring voxels of the mask, weighted by a Gaussian of 4 mm.
    Only voxels of the mask enter the mean, so the fall at the border does not count.

    Args:
        suv: SUV, (k, j, i).
        mask: voxels of the lesion, (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        0 or more; NaN for an empty mask or a mean of 0.
    """
    if not mask.any():
        return math.nan
    sigma = FINE_MM / np.asarray(spacing_mm[::-1])
    block = around(mask, [math.ceil(3 * s) for s in sigma])
    inside, uptake = mask[block], suv[block].astype(np.float64)
    weight = ndimage.gaussian_filter(inside.astype(np.float64), sigma, mode="constant", truncate=3)
    smooth = ndimage.gaussian_filter(np.where(inside, uptake, 0), sigma, mode="constant", truncate=3)
    detail = (uptake - smooth / np.maximum(weight, 1e-9))[inside]
    mean = float(uptake[inside].mean())
    return float(detail.std()) / mean if mean > 0 else math.nan


def roughness(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Mean step between neighbors inside the mask per mm, as a share of the mean uptake there, 1/mm.

    Args:
        suv: SUV, (k, j, i).
        mask: voxels of the lesion, (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        0 or more; NaN with fewer than a dozen pairs of neighbors.
    """
    steps = []
    for axis, spacing in enumerate(spacing_mm[::-1]):
        both = mask & np.roll(mask, -1, axis)
        both[(slice(None),) * axis + (-1,)] = False
        steps.append((np.abs(np.roll(suv, -1, axis) - suv)[both] / spacing).astype(np.float64))
    every = np.concatenate(steps)
    mean = float(suv[mask].mean()) if mask.any() else 0.0
    return float(every.mean()) / mean if len(every) >= _LEAST_PAIRS and mean > 0 else math.nan
