"""Texture of a lesion's uptake: how fast it changes from voxel to voxel, and its noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.extent import around

__all__ = ["AXES", "autocorrelation", "grain", "noise_share", "roughness"]

#: Names of the axes of an array (k, j, i).
AXES = ("z", "y", "x")
#: Least number of pairs of voxels for a correlation.
_LEAST_PAIRS = 12
#: Noise is what a Gaussian of this standard deviation removes, mm.
FINE_MM = 4.0
#: Least number of voxels of a core and of tissue for ``grain``.
_LEAST_CORE, _LEAST_TISSUE = 30, 50
#: Tissue around a lesion for ``grain``: voxels beyond its border, from and to, and the SUV that it exceeds.
_TISSUE_VOXELS = (2, 4)
_TISSUE_SUV = 0.1


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
    block = around(mask, [math.ceil(3 * FINE_MM / spacing) for spacing in spacing_mm[::-1]])
    inside, uptake = mask[block], suv[block].astype(np.float64)
    detail = uptake[inside] - _local_mean(uptake, inside, spacing_mm)
    mean = float(uptake[inside].mean())
    return float(detail.std()) / mean if mean > 0 else math.nan


def grain(suv: NDArray, mask: NDArray[np.bool_], scan: NDArray, spacing_mm: tuple[float, float, float]) -> float:
    """Natural logarithm of the fine detail in a lesion's core over that of the tissue around it.

    Fine detail is relative here: the uptake over its local mean, see ``noise_share``. In the core, all voxels but the
    outermost, its standard deviation counts. In the tissue it is the median deviation, scaled to a normal distribution,
    so that vessels and borders of organs matter little. 0 means that the lesion is as noisy as the tissue.

    Args:
        suv: SUV, (k, j, i).
        mask: voxels of the lesion, (k, j, i).
        scan: SUV of the scan without the lesion, if it is synthetic; else the same as ``suv``.
        spacing_mm: voxel edges along i, j, k.

    Returns:
        NaN if core or tissue have too few voxels, or if the uptake is constant.
    """
    if not mask.any():
        return math.nan
    near, far = _TISSUE_VOXELS
    block = around(mask, far)
    inside, before = mask[block], scan[block]
    core = ndimage.binary_erosion(inside)
    tissue = ~ndimage.binary_dilation(inside, iterations=near) & (before > _TISSUE_SUV)
    if core.sum() < _LEAST_CORE or tissue.sum() < _LEAST_TISSUE:
        return math.nan
    ours, theirs = _relative_detail(suv[block], core, spacing_mm), _relative_detail(before, tissue, spacing_mm)
    noise = 1.4826 * float(np.median(np.abs(theirs - np.median(theirs))))  # The deviation of a normal distribution.
    deviation = float(ours.std())
    return math.log(deviation / noise) if deviation > 0 and noise > 0 else math.nan


def _relative_detail(suv: NDArray, where: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    uptake = suv.astype(np.float64)
    return uptake[where] / np.maximum(_local_mean(uptake, where, spacing_mm), 1e-6) - 1


def _local_mean(uptake: NDArray, where: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Mean of the neighboring voxels of a region, weighted by a Gaussian of ``FINE_MM``, for each of them, (n,)."""
    sigma = FINE_MM / np.asarray(spacing_mm[::-1])
    weight = ndimage.gaussian_filter(where.astype(np.float64), sigma, mode="constant", truncate=3)
    smooth = ndimage.gaussian_filter(np.where(where, uptake, 0), sigma, mode="constant", truncate=3)
    mean: NDArray[np.float64] = smooth[where] / np.maximum(weight[where], 1e-9)
    return mean


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
