"""Grids, bodies and measures for the tests of automatic placement."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["ball", "oblique_grid", "overlap_mm", "share_inside"]


def oblique_grid(size_ijk: tuple[int, int, int] = (50, 60, 40)) -> Grid:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(0.3, -0.2, 0.5)
    direction = np.reshape(transform.GetMatrix(), (3, 3)) @ np.diag([1, 1, -1])
    return Grid(size_ijk, (3.5, 4.0, 5.0), (12.0, -40.0, 300.0), tuple(map(tuple, direction.tolist())))


def ball(grid: Grid, radius_mm: float, shift_mm: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    k, j, i = np.indices(grid.size_ijk[::-1])
    middle = grid.index_to_lps((np.asarray(grid.size_ijk) - 1) / 2) + shift_mm
    return np.linalg.norm(grid.index_to_lps(np.stack([i, j, k], -1)) - middle, axis=-1) <= radius_mm


def share_inside(box: Box, where: np.ndarray, grid: Grid) -> float:
    voxels, region = box.voxels(grid)
    return float(where[region][voxels].mean())


def overlap_mm(a: Box, b: Box) -> float:
    """Smallest overlap of two boxes along L, P and S; not positive if they are apart."""
    return float((np.add(a.size_mm, b.size_mm) / 2 - np.abs(np.subtract(a.center_lps, b.center_lps))).min())
