"""Automatic placement: boxes of usual sizes at random places in a body or a region.

This is BA-PMG (section 2.1 of the paper) in use: if the user draws no box, its size follows published lesion volumes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.lesions.lesion_sizes import WHOLE_BODY, LesionLaw
from TumorGenCore.volumes.geometry import Box, Grid, Vector

__all__ = ["SIZES_TRIED", "draw_size", "find_body", "find_place", "half_extent", "place_boxes"]

#: Edge of a box divided by the diameter of a ball with the tumor's volume: a 40 mm box holds a tumor of about 20 mm.
EDGE_PER_DIAMETER = 2.0
LEAST_EDGE_MM, MOST_EDGE_MM = 25.0, 90.0
#: Largest relative deviation of an edge from that of a cube.
MOST_STRETCH = 0.15
#: Smallest share of a box that lies in the body.
LEAST_IN_BODY = 0.75
#: Number of sizes that are drawn for one box before giving up.
SIZES_TRIED = 30

_BODY_SUV = 0.15
_BODY_SMOOTHING_MM = 4.0
_CENTERS = 40


def find_body(suv: NDArray, spacing_mm: Sequence[float]) -> NDArray[np.bool_]:
    """Finds the body: the voxels whose smoothed uptake is above that of air.

    Args:
        suv: SUV, (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        Booleans (k, j, i).
    """
    from scipy import ndimage  # here, because its import takes longer than all others in this file

    return ndimage.gaussian_filter(suv, [_BODY_SMOOTHING_MM / s for s in reversed(spacing_mm)]) > _BODY_SUV


def draw_size(rng: np.random.Generator, law: LesionLaw = WHOLE_BODY, diameter_mm: float | None = None) -> Vector:
    """Draws the edges of a box for a tumor of a usual size.

    An edge is ``EDGE_PER_DIAMETER`` times the equivalent diameter, stretched a little along each axis.

    Args:
        rng: source of the diameter and the stretch.
        law: law of the diameter.
        diameter_mm: a diameter to use instead of a drawn one.

    Returns:
        Three edges, mm, from ``LEAST_EDGE_MM`` to ``MOST_EDGE_MM``.
    """
    edge_mm = EDGE_PER_DIAMETER * (law.draw_diameter(rng) if diameter_mm is None else diameter_mm)
    # Clipped before the stretch too, so that large boxes are not all the same cube.
    edges = np.clip(edge_mm, LEAST_EDGE_MM, MOST_EDGE_MM) * (1 + MOST_STRETCH) ** rng.uniform(-1, 1, 3)
    x, y, z = np.clip(edges, LEAST_EDGE_MM, MOST_EDGE_MM).tolist()
    return (x, y, z)


def place_boxes(
    region: NDArray[np.bool_],
    body: NDArray[np.bool_],
    grid: Grid,
    rng: np.random.Generator,
    count: int = 1,
    law: LesionLaw = WHOLE_BODY,
) -> list[Box]:
    """Places boxes that do not overlap, centered in ``region``, inside the volume and mostly in the body.

    The edges lie along L, P and S. If a size fits nowhere, the function draws another one. So small volumes get small
    boxes.

    Args:
        region: voxels where centers may lie, (k, j, i).
        body: see ``find_body``, (k, j, i).
        grid: grid of both.
        rng: source of sizes and places; only its state decides them.
        count: number of boxes.
        law: law of the sizes.

    Raises:
        InvalidBoxError: the region is empty, or no place fits.
    """
    if not region.any():
        raise InvalidBoxError(
            "The region for the box holds no voxel of the image; check that both belong to the same patient."
        )
    boxes: list[Box] = []
    for n in range(count):
        tries = (find_place(draw_size(rng, law), region, body, grid, boxes, rng) for _ in range(SIZES_TRIED))
        box = next((box for box in tries if box is not None), None)
        if box is None:
            raise InvalidBoxError(
                f"No place was found for tumor {n + 1} of {count}. No box of {LEAST_EDGE_MM:.0f} to "
                f"{MOST_EDGE_MM:.0f} mm with its center in the region lies inside the volume, mostly in the body, and "
                "apart from the other boxes. Give a larger region, fewer tumors, or a box."
            )
        boxes.append(box)
    return boxes


def find_place(
    size_mm: Vector,
    region: NDArray[np.bool_],
    body: NDArray[np.bool_],
    grid: Grid,
    taken: Sequence[Box],
    rng: np.random.Generator,
    apart_mm: float = 0.0,
) -> Box | None:
    """Tries random places for a box of a given size.

    Args:
        size_mm: edges along L, P and S.
        region: voxels where the center may lie, (k, j, i).
        body: voxels of the body, (k, j, i).
        grid: grid of both; the box must lie inside it.
        taken: boxes along L, P and S to keep away from.
        rng: source of the places.
        apart_mm: least distance to those boxes, along at least one axis.

    Returns:
        The box; None if no place was found.
    """
    half = half_extent(size_mm, grid)
    # If the center keeps these bounds, the box lies in the volume.
    least, most = half - 0.5, np.asarray(grid.size_ijk) - 0.5 - half
    first, last = np.ceil(least).astype(int), np.floor(most).astype(int)
    if np.any(last < first):
        return None
    within = region[tuple(slice(a, b + 1) for a, b in zip(first[::-1], last[::-1], strict=True))]
    candidates = np.flatnonzero(within)
    for _ in range(_CENTERS if candidates.size else 0):
        kji = np.unravel_index(rng.choice(candidates), within.shape)
        ijk = first + np.array(kji[::-1]) + rng.uniform(-0.5, 0.5, 3)
        x, y, z = grid.index_to_lps(np.clip(ijk, least, most)).tolist()
        box = Box((x, y, z), size_mm)
        if any(_near(box, other, apart_mm) for other in taken):
            continue
        voxels, around = box.voxels(grid)
        if body[around][voxels].sum() >= LEAST_IN_BODY * max(1, voxels.sum()):
            return box
    return None


def half_extent(size_mm: Vector, grid: Grid) -> NDArray[np.float64]:
    """Returns half the extent of a box along L, P and S, in voxels along i, j and k of a grid."""
    return np.abs(np.linalg.inv(grid.index_to_lps_matrix[:3, :3])) @ np.asarray(size_mm) / 2


def _near(a: Box, b: Box, apart_mm: float) -> bool:
    """Whether boxes along L, P and S are less than ``apart_mm`` apart along every axis; 0: whether they overlap."""
    distance = np.abs(np.subtract(a.center_lps, b.center_lps))
    return bool(np.all(distance < np.add(a.size_mm, b.size_mm) / 2 + apart_mm))
