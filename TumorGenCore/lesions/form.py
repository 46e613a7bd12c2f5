"""Form of a mask: how compact, how long and how lumpy it is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from TumorGenCore.lesions.extent import around

__all__ = ["axis_lengths_mm", "ball_radius_mm", "elongation", "lumps", "solidity"]

#: Depth of the erosion before lumps are counted, as a share of the radius of a ball with the mask's volume.
ERODED = 0.25
#: Smallest lump, as a share of what the erosion leaves.
LEAST_LUMP = 0.05


def ball_radius_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Radius of a ball with the volume of a mask, mm.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    return float((3 * float(mask.sum() * np.prod(spacing_mm)) / (4 * math.pi)) ** (1 / 3))


def solidity(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Volume of a mask over that of its convex hull, 0 to 1; 1 for a convex mask, NaN if it is flat or empty.

    The hull holds the corners of the voxels.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    rows = np.argwhere(mask.any(axis=2))
    if len(rows) == 0:
        return math.nan
    # Only the ends of the rows along i can be corners of the hull.
    part = mask[tuple(rows.T)]
    first, last = part.argmax(axis=1) - 0.5, mask.shape[2] - part[:, ::-1].argmax(axis=1) - 0.5
    ends = np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])])
    corners = np.concatenate([ends + np.array([k, j, 0]) for k in (-0.5, 0.5) for j in (-0.5, 0.5)])
    try:
        hull = ConvexHull(corners * np.asarray(spacing_mm[::-1]))
    except QhullError:
        return math.nan
    return float(mask.sum() * np.prod(spacing_mm) / hull.volume)


def axis_lengths_mm(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """Axes of the ellipsoid with the mask's moments, longest first, mm; all NaN if the mask is empty.

    As the axis lengths of the IBSI (Zwanenburg et al., Radiology 2020, 295, 328), but voxels have their own extent.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    points = np.argwhere(mask) * np.asarray(spacing_mm[::-1])
    if len(points) == 0:
        return math.nan, math.nan, math.nan
    # A voxel's own moment, so that one slice is not infinitely thin.
    own = np.diag(np.asarray(spacing_mm[::-1]) ** 2 / 12)
    short, middle, long = 4 * np.sqrt(np.linalg.eigvalsh(np.cov(points.T, bias=True) + own))
    return float(long), float(middle), float(short)


def elongation(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> tuple[float, float]:
    """Middle over longest, and shortest over longest of ``axis_lengths_mm``, 0 to 1 each; NaN if the mask is empty.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    long, middle, short = axis_lengths_mm(mask, spacing_mm)
    return middle / long, short / long


def lumps(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> int:
    """Number of pieces after an erosion by a quarter of the mask's radius; 1 for a compact mask, 0 for an empty one.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    if not mask.any():
        return 0
    inside = np.pad(mask[around(mask)], 1)
    radius = ball_radius_mm(mask, spacing_mm)
    depth = ndimage.distance_transform_edt(inside, sampling=spacing_mm[::-1])
    left = depth > max(ERODED * radius, float(np.min(spacing_mm)))
    labels, count = ndimage.label(left)
    if count == 0:
        return 1
    sizes = np.bincount(labels.ravel())[1:]
    return int((sizes >= LEAST_LUMP * left.sum()).sum())
