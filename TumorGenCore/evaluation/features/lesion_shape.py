"""Sphericity, edge sharpness and necrosis of one lesion."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import SphericalVoronoi

from TumorGenCore.insertion.scan_noise import FWHM
from TumorGenCore.lesions.extent import around

__all__ = ["edge_fwhm_mm", "necrosis_fraction", "sphericity", "surface_mm2"]

#: Uptake below this share of the lesion's 95th percentile is cold.
COLD_SHARE = 0.41
#: Cold voxels nearer to the surface than this belong to the blurred edge, mm.
EDGE_MM = 6.0
#: The edge is searched within this distance of the mask's surface, and profiles are twice as long, mm.
SEARCH_MM = 8.0
#: A profile with a smaller fall, as a share of the lesion's 95th percentile, has no edge.
LEAST_FALL = 0.25
#: Distance from 20 to 80 % of a step blurred by a Gaussian, divided by the Gaussian's full width at half maximum.
_STEP_TO_FWHM = 2 * 0.841621 / FWHM
_STEP_MM = 0.5
_FINER = 3
_MOST_RAYS = 400
_LEAST_RAYS = 10

Spacing = tuple[float, float, float]


def surface_mm2(mask: NDArray[np.bool_], spacing_mm: Spacing) -> float:
    """Surface area of a mask by Crofton's formula, mm^2.

    S = 2 V sum_d c_d N_d / |d| over the 13 directions d to a voxel's neighbors, with N_d crossings of the surface, V
    the voxel's volume, c_d the direction's share of the sphere (Lehmann and Legland, Insight Journal 2012). A count of
    voxel faces would overestimate a ball by half.

    Args:
        mask: mask, (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    padded = np.pad(mask, 1)
    steps = [step for step in product((-1, 0, 1), repeat=3) if step != (0, 0, 0)]
    vectors = np.asarray(steps) * np.asarray(spacing_mm[::-1])
    lengths = np.linalg.norm(vectors, axis=1)
    shares = SphericalVoronoi(vectors / lengths[:, None]).calculate_areas() / (4 * math.pi)
    total = 0.0
    for step, length, share in zip(steps, lengths, shares, strict=True):
        # A direction and its opposite have the same crossings; each adds its own share.
        total += share * np.count_nonzero(padded != np.roll(padded, step, axis=(0, 1, 2))) / length
    return float(2 * np.prod(spacing_mm) * total)


def sphericity(mask: NDArray[np.bool_], spacing_mm: Spacing) -> float:
    """Surface of a ball of equal volume, divided by the surface of the mask; 1 for a ball, NaN if the mask is empty.

    The mask is first interpolated to voxels of a third of the edge, because the measured surface of a dozen large
    voxels is too small. Balls of any size have on average values between 0.96 and 1.01.

    Args:
        mask: mask, (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    if not mask.any():
        return math.nan
    coarse = np.pad(mask[around(mask)].astype(np.float32), 1)
    fine = ndimage.zoom(coarse, _FINER, order=1, grid_mode=True, mode="nearest") > 0.5
    x, y, z = (step / _FINER for step in spacing_mm)
    if not fine.any():
        return math.nan
    volume = float(fine.sum()) * x * y * z
    return math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface_mm2(fine, (x, y, z))


def necrosis_fraction(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: Spacing) -> float:
    """Share of the mask that is cold (below 41 % of its 95th percentile) and more than 6 mm from its surface.

    The blurred edge is cold too, but does not count. NaN if the mask is empty.

    Args:
        suv: SUV, (k, j, i).
        mask: mask, (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    if not mask.any():
        return math.nan
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    cold = mask & (suv < COLD_SHARE * np.percentile(suv[mask], 95)) & (depth > EDGE_MM)
    return float(cold.sum() / mask.sum())


def edge_fwhm_mm(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: Spacing) -> float:
    """Sharpness of the uptake's edge: width of the Gaussian that would blur a sharp step as much, mm.

    Profiles run through the mask's surface along its normals. On each profile, the steepest fall within 8 mm is
    followed in both directions as long as the uptake falls. The distance from 20 to 80 % of this fall gives the full
    width at half maximum. The median over the profiles compares directly with the resolution of a scanner. NaN if too
    few profiles have an edge.

    Args:
        suv: SUV, (k, j, i).
        mask: mask, (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """
    surface = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    if len(surface) < _LEAST_RAYS:
        return math.nan
    surface = surface[:: math.ceil(len(surface) / _MOST_RAYS)]
    spacing = np.asarray(spacing_mm[::-1], dtype=float)
    # The mask has no surface at the edge of the crop.
    soft = ndimage.gaussian_filter(mask.astype(np.float32), 4.0 / spacing, mode="nearest")
    normals = -np.stack([slope[tuple(surface.T)] for slope in np.gradient(soft, *spacing)], axis=1)
    lengths = np.linalg.norm(normals, axis=1)
    surface, normals = surface[lengths > 1e-6], normals[lengths > 1e-6] / lengths[lengths > 1e-6, None]
    along = np.arange(-2 * SEARCH_MM, 2 * SEARCH_MM + _STEP_MM / 2, _STEP_MM)
    points = surface[:, None] + along[None, :, None] * (normals / spacing)[:, None]
    points = points[np.all((points >= 0) & (points <= np.asarray(suv.shape) - 1), axis=(1, 2))]
    profiles = ndimage.map_coordinates(suv.astype(np.float64), np.moveaxis(points, -1, 0), order=3, mode="nearest")
    least = LEAST_FALL * float(np.percentile(suv[mask], 95))
    widths = [width for profile in profiles if (width := _fall_mm(profile, along, least)) is not None]
    return float(np.median(widths)) / _STEP_TO_FWHM if len(widths) >= _LEAST_RAYS else math.nan


def _fall_mm(profile: NDArray, along: NDArray, least: float) -> float | None:
    """Distance from 80 to 20 % of the fall around the profile's steepest point, mm; None if the fall is too small."""
    falls = np.diff(profile) < 0
    near = np.flatnonzero(np.abs(along[:-1] + _STEP_MM / 2) <= SEARCH_MM)
    steepest = near[np.argmin(np.diff(profile)[near])]
    if not falls[steepest]:
        return None
    rises = np.flatnonzero(~falls)
    before, after = rises[rises < steepest], rises[rises > steepest]
    first = before[-1] + 1 if len(before) else 0
    last = after[0] if len(after) else len(profile) - 1
    part, where = profile[first : last + 1], along[first : last + 1]
    high, low = part[0], part[-1]
    if high - low < least:
        return None
    at_20, at_80 = np.interp([low + 0.2 * (high - low), low + 0.8 * (high - low)], part[::-1], where[::-1])
    return float(at_20 - at_80)
