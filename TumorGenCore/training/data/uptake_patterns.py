"""Patterns of uptake that fill a shape: drawn ones, and ones that are carried over from a real tumor.

A pattern is relative: its level is set later. It goes on outside the shape, so that the blur of a scanner mixes it with
the tissue around and not with zeros.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["carried_pattern", "drawn_pattern"]

Volume = NDArray[np.float32]

#: Drawn patterns: median and log-normal spread of the relative deviation of the uptake, and its largest value.
_UNEVENNESS, _SPREAD, _MOST_UNEVEN = 0.22, 0.7, 0.7
#: Correlation length of the unevenness, low and high, mm (standard deviation of a Gaussian).
_LENGTH_MM = (3.0, 12.0)
#: Share of the shapes with a cold core, among those at least this deep (mm), and how cold it is, low and high.
_CORED, _LEAST_DEPTH_MM, _COLDNESS = 0.4, 8.0, (0.2, 0.95)


def drawn_pattern(rng: np.random.Generator, mask: NDArray[np.bool_], spacing_mm: float) -> Volume:
    """Draws a pattern: correlated unevenness, a slope across the tumor, and in some large ones a cold core.

    Args:
        rng: source of the draws.
        mask: the shape, (k, j, i), not empty.
        spacing_mm: voxel edge.

    Returns:
        float32 (k, j, i), about 1.
    """
    sigma = min(_UNEVENNESS * math.exp(_SPREAD * rng.normal()), _MOST_UNEVEN)
    field = ndimage.gaussian_filter(rng.normal(size=mask.shape), rng.uniform(*_LENGTH_MM) / spacing_mm)
    pattern = np.exp(sigma * field / field.std())
    points = np.argwhere(mask)
    along = rng.normal(size=3)
    along /= np.linalg.norm(along)
    reach = np.ptp(points @ along) / 2 + 1
    where = np.indices(mask.shape).reshape(3, -1).T @ along - points.mean(axis=0) @ along
    pattern *= 1 + rng.uniform(0, 0.7) * np.clip(where / reach, -1, 1).reshape(mask.shape)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    if depth.max() > _LEAST_DEPTH_MM and rng.random() < _CORED:
        # The core is the middle of the tumor, with an uneven edge.
        bent = depth / depth.max() + 0.25 * ndimage.gaussian_filter(field / field.std(), 1.0)
        inner = np.clip((bent - rng.uniform(0.3, 0.7)) / 0.25, 0, 1)
        pattern *= 1 - rng.uniform(*_COLDNESS) * inner
    return pattern.astype(np.float32)


def carried_pattern(suv: NDArray, tumor: NDArray[np.bool_]) -> Volume:
    """Returns the uptake of a real tumor, carried on beyond its border.

    Args:
        suv: SUV around the tumor, (k, j, i).
        tumor: voxels of the tumor, same shape, not empty.

    Returns:
        float32, same shape. A voxel outside has the value of the nearest voxel inside; the voxels at the border do not
        count, because the scanner's blur has mixed them with the tissue.
    """
    inner = ndimage.binary_erosion(tumor, iterations=2)
    inner = inner if inner.sum() >= 8 else tumor
    nearest = ndimage.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    carried = suv[tuple(nearest)]
    return np.where(inner, suv, ndimage.gaussian_filter(carried, 1.0)).astype(np.float32)
