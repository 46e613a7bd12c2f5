"""Seams: is the image steeper across the box's faces than the untouched scan is there?"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.insertion import GROUPS, Shown
from TumorGenCore.geometry import Box, Grid

__all__ = ["seam_ratio", "seams"]

#: Distance of the points on a face, mm.
STEP_MM = 2.0


def seam_ratio(scan: sitk.Image, synthetic: sitk.Image, box: Box) -> float | None:
    """Mean |gradient| of the synthetic image across the six faces, over the same on the scan; 1 is no seam.

    The gradient is the difference of two points half a voxel inside and outside the face, on its normal, over their
    distance: the two voxels between which a pasted box would show its step.

    Args:
        scan: the untouched scan.
        synthetic: on the same grid.
        box: where the tumour was inserted.

    Returns:
        The ratio, or None where no face lies in the scan or the scan is flat on all of them.
    """
    grid = Grid.from_image(scan)
    inner, outer, gap_mm = _pairs(box, grid)
    before, after = (_slopes(image, inner, outer, gap_mm) for image in (scan, synthetic))
    return float(after.mean() / before.mean()) if before.size and before.mean() > 0 else None


def seams(shown: Shown) -> dict:
    """``seam_ratio`` of every site, mean over its seeds, and per group of sites the median and the highest."""
    sites: dict[str, dict] = {}
    for site, results in shown:
        ratios = [seam_ratio(site.image, result.image, site.box) for result in results]
        known = [ratio for ratio in ratios if ratio is not None]
        sites[site.name] = {"group": site.group, "ratio": float(np.mean(known)) if known else None}
    ratios_of = {
        group: [s["ratio"] for s in sites.values() if s["group"] == group and s["ratio"] is not None]
        for group in GROUPS
    }
    return {
        "sites": sites,
        "groups": {
            group: {"n": len(r), "median": float(np.median(r)), "highest": max(r)} if r else {"n": 0}
            for group, r in ratios_of.items()
        },
    }


def _pairs(box: Box, grid: Grid) -> tuple[NDArray, NDArray, NDArray]:
    """Points inside and outside the faces as fractional (k, j, i), (n, 3) each, and their distances, mm."""
    half = np.asarray(box.size_mm) / 2
    inner: list[NDArray] = []
    outer: list[NDArray] = []
    gaps: list[NDArray] = []
    for axis in range(3):
        others = [a for a in range(3) if a != axis]
        u, v = (np.arange(-half[a] + STEP_MM / 2, half[a], STEP_MM) for a in others)
        face = np.zeros((len(u) * len(v), 3))
        face[:, others] = np.stack(np.meshgrid(u, v, indexing="ij"), axis=-1).reshape(-1, 2)
        # A voxel's reach along the face's normal.
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


def _slopes(image: sitk.Image, inner: NDArray, outer: NDArray, gap_mm: NDArray) -> NDArray:
    suv = sitk.GetArrayViewFromImage(image).astype(np.float64)
    a, b = (ndimage.map_coordinates(suv, points.T, order=1, mode="nearest") for points in (inner, outer))
    return np.abs(a - b) / gap_mm
