"""Seams: steepness of the image across the faces of the box, compared with the original scan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["seam_ratio"]

#: Distance between the points on a face, mm.
STEP_MM = 2.0


def seam_ratio(before: NDArray, after: NDArray, grid: Grid, box: Box) -> float | None:
    """Mean |gradient| of the synthetic image across the six faces, divided by that of the scan; 1 means no seam.

    The gradient is the difference between two points half a voxel inside and outside the face, on its normal, divided
    by their distance. A pasted box would show its step between these two voxels.

    Args:
        before: SUV of the original scan, (k, j, i), on ``grid``; two voxels around the box are enough.
        after: SUV of the synthetic image, same shape.
        grid: grid of both.
        box: the box in which the tumor was inserted.

    Returns:
        The ratio; None if no face lies in the scan, or the scan is flat at all faces.
    """
    inner, outer, gap_mm = _pairs(box, grid)
    old, new = (_slopes(suv, inner, outer, gap_mm) for suv in (before, after))
    return float(new.mean() / old.mean()) if old.size and old.mean() > 0 else None


def _pairs(box: Box, grid: Grid) -> tuple[NDArray, NDArray, NDArray]:
    """Points inside and outside the faces, fractional (k, j, i), (n, 3) each, and the distance of each pair, mm."""
    half = np.asarray(box.size_mm) / 2
    inner: list[NDArray] = []
    outer: list[NDArray] = []
    gaps: list[NDArray] = []
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        u, v = (np.arange(-half[a] + STEP_MM / 2, half[a], STEP_MM) for a in others)
        face = np.zeros((len(u) * len(v), 3))
        face[:, others] = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1).reshape(-1, 2)
        # Extent of a voxel along the face's normal.
        along = np.abs(np.asarray(grid.direction).T @ np.asarray(box.axes)[:, axis])
        reach = float(along @ np.asarray(grid.spacing_mm))
        for sign in (-1.0, 1.0):
            for points, depth in ((inner, -reach / 2), (outer, reach / 2)):
                shifted = face.copy()
                shifted[:, axis] = sign * (half[axis] + depth)
                points.append(grid.lps_to_index(box.to_lps(shifted)))
            gaps.append(np.full(len(face), reach))
    a, b, gap = np.concatenate(inner), np.concatenate(outer), np.concatenate(gaps)
    last = np.asarray(grid.size_ijk) - 1
    kept = np.all((a >= 0) & (a <= last) & (b >= 0) & (b <= last), axis=1)
    return a[kept, ::-1], b[kept, ::-1], gap[kept]


def _slopes(suv: NDArray, inner: NDArray, outer: NDArray, gap_mm: NDArray) -> NDArray:
    a, b = (
        ndimage.map_coordinates(suv, points.T, order=1, mode="nearest", output=np.float64) for points in (inner, outer)
    )
    return np.abs(a - b) / gap_mm
