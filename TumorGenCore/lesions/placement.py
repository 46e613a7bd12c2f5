"""Automatic placement: boxes of usual sizes at random places in a body or an organ.

This is BA-PMG (section 2.1 of the paper) in use: if the user draws no box, its size follows published lesion volumes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.volumes.geometry import Box, Grid, Vector

__all__ = ["draw_size", "find_body", "place_boxes"]

#: Quantiles (share of lesions, volume in ml) of 4,282 FDG lesions of 461 autoPET patients (Gatidis et al., Sci. Data
#: 2022, 9, 601), from the per-lesion tables of 10.5281/zenodo.19936563.
LESION_VOLUME_QUANTILES_ML = (
    (0.01, 1.033),
    (0.05, 1.132),
    (0.1, 1.269),
    (0.25, 1.792),
    (0.5, 3.446),
    (0.75, 10.314),
    (0.9, 40.861),
    (0.95, 102.368),
    (0.99, 463.118),
)
#: Edge of a box divided by the diameter of a ball with the tumor's volume: a 40 mm box holds a tumor of about 20 mm.
EDGE_PER_DIAMETER = 2.0
LEAST_EDGE_MM, MOST_EDGE_MM = 25.0, 90.0
#: Largest relative deviation of an edge from that of a cube.
MOST_STRETCH = 0.15
#: Smallest share of a box that lies in the body.
LEAST_IN_BODY = 0.75

_BODY_SUV = 0.15
_BODY_SMOOTHING_MM = 4.0
_SIZES, _CENTERS = 30, 40


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


def draw_size(rng: np.random.Generator) -> Vector:
    """Draws the edges of a box for a tumor of a usual volume.

    For a lesion of volume V, an edge is ``EDGE_PER_DIAMETER`` (6 V / pi)^(1/3), stretched a little along each axis.

    Args:
        rng: source of the volume and the stretch.

    Returns:
        Three edges, mm, from ``LEAST_EDGE_MM`` to ``MOST_EDGE_MM``.
    """
    levels, volumes = np.array(LESION_VOLUME_QUANTILES_ML).T
    volume_ml = math.exp(np.interp(rng.uniform(levels[0], levels[-1]), levels, np.log(volumes)))
    edge_mm = EDGE_PER_DIAMETER * (6 * 1000 * volume_ml / math.pi) ** (1 / 3)
    # Clipped before the stretch too, so that large boxes are not all the same cube.
    edges = np.clip(edge_mm, LEAST_EDGE_MM, MOST_EDGE_MM) * (1 + MOST_STRETCH) ** rng.uniform(-1, 1, 3)
    x, y, z = np.clip(edges, LEAST_EDGE_MM, MOST_EDGE_MM).tolist()
    return (x, y, z)


def place_boxes(
    region: NDArray[np.bool_], body: NDArray[np.bool_], grid: Grid, rng: np.random.Generator, count: int = 1
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

    Raises:
        InvalidBoxError: the region is empty, or no place fits.
    """
    if not region.any():
        raise InvalidBoxError(
            "The region for the box holds no voxel of the image; check that both belong to the same patient."
        )
    boxes: list[Box] = []
    for n in range(count):
        tries = (_find_place(draw_size(rng), region, body, grid, boxes, rng) for _ in range(_SIZES))
        box = next((box for box in tries if box is not None), None)
        if box is None:
            raise InvalidBoxError(
                f"No place was found for tumor {n + 1} of {count}. No box of {LEAST_EDGE_MM:.0f} to "
                f"{MOST_EDGE_MM:.0f} mm with its center in the region lies inside the volume, mostly in the body, and "
                "apart from the other boxes. Give a larger region, fewer tumors, or a box."
            )
        boxes.append(box)
    return boxes


def _find_place(
    size_mm: Vector,
    region: NDArray[np.bool_],
    body: NDArray[np.bool_],
    grid: Grid,
    taken: Sequence[Box],
    rng: np.random.Generator,
) -> Box | None:
    # Half the extent of the box along i, j, k. If its center keeps these bounds, the box lies in the volume.
    half = np.abs(np.linalg.inv(grid.index_to_lps_matrix[:3, :3])) @ np.asarray(size_mm) / 2
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
        voxels, around = box.voxels(grid)
        if body[around][voxels].sum() >= LEAST_IN_BODY * max(1, voxels.sum()) and not any(
            _overlap(box, other) for other in taken
        ):
            return box
    return None


def _overlap(a: Box, b: Box) -> bool:
    """Whether two boxes along L, P and S overlap."""
    apart = np.abs(np.subtract(a.center_lps, b.center_lps))
    return bool(np.all(apart < np.add(a.size_mm, b.size_mm) / 2))
