"""Boxes at healthy places whose organ is known, in any scan of a phantom."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.phantom.canvas import TISSUES
from TumorGenCore.phantom.scanner import Scan
from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["SITE_ORGANS", "check_organ", "organ_at", "organ_boxes"]

#: Organs for boxes, each with the tissues of ``MEAN_SUV`` that it consists of.
SITE_ORGANS: dict[str, tuple[str, ...]] = {
    "lung": ("lung",),
    "liver": ("liver",),
    "brain": ("gray matter", "white matter", "cerebellum"),
    "heart": ("myocardium",),
    "kidney": ("kidney",),
    "bladder": ("bladder",),
    "bone": ("marrow", "vertebra"),
    "mediastinum": ("mediastinum",),
    "muscle": ("muscle",),
}

#: Range of the boxes' edges, mm, and how much the edges of one box differ.
_EDGES_MM, _UNEQUAL = (25.0, 70.0), 0.15
#: Centers lie so deep in the organ, mm, where it is thick enough.
_DEPTH_MM = 5.0
#: Centers in the mediastinum lie so near the midline, mm; farther out, its tissue only fills the chest's corners.
_MIDLINE_MM = 45.0
#: SUV of the body, and the part of a box that must lie in it.
_BODY_SUV, _BODY_SHARE = 0.12, 0.7
#: Draws of one box before giving up.
_TRIES = 200


def check_organ(organ: str) -> None:
    """Checks the name of an organ.

    Raises:
        InvalidBoxError: there is no such organ.
    """
    if organ not in SITE_ORGANS:
        raise InvalidBoxError(f"There is no organ {organ!r} for a box; choose one of {', '.join(SITE_ORGANS)}.")


def organ_at(scan: Scan, point_lps: NDArray) -> str | None:
    """Returns the organ of ``SITE_ORGANS`` at a point (x, y, z), LPS mm; None if none of them is there."""
    index = np.round(Grid.from_image(scan.image).lps_to_index(point_lps)).astype(int)[::-1]
    if np.any(index < 0) or np.any(index >= scan.organs.shape):
        return None
    number = int(scan.organs[tuple(index)])
    tissue = TISSUES[number - 1] if number else ""
    return next((organ for organ, tissues in SITE_ORGANS.items() if tissue in tissues), None)


def organ_boxes(scan: Scan, organ: str, count: int = 1, seed: int = 0) -> list[Box]:
    """Draws boxes of 25 to 70 mm whose centers lie in an organ; they may reach beyond it, as a user's boxes do.

    Args:
        scan: the scan of a phantom.
        organ: one of ``SITE_ORGANS``.
        count: number of boxes.
        seed: decides places and sizes.

    Returns:
        Boxes along the axes of the scan's grid, inside it, most of each in the body.

    Raises:
        InvalidBoxError: there is no such organ, or the scan has no place for it.
    """
    check_organ(organ)
    places = _places(scan, organ)
    if not len(places):
        raise InvalidBoxError(f"The scan has no {organ}; choose another organ or another anatomy.")
    rng = np.random.default_rng([seed, list(SITE_ORGANS).index(organ)])
    return [_draw_box(scan, organ, places, rng) for _ in range(count)]


def _places(scan: Scan, organ: str) -> NDArray[np.int64]:
    """Indices (k, j, i) of the organ's voxels for centers, (n, 3): the deep ones, or all of a thin organ."""
    mask = scan.where(SITE_ORGANS[organ])
    whole = np.argwhere(mask)
    if not len(whole):
        return whole
    first, last = np.maximum(whole.min(axis=0) - 1, 0), whole.max(axis=0) + 2
    block = mask[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]  # with the nearest voxels outside
    deep = ndimage.distance_transform_edt(block, sampling=scan.image.GetSpacing()[::-1]) >= _DEPTH_MM
    places = np.argwhere(deep) + first if deep.any() else whole
    if organ == "mediastinum":
        places = places[np.abs(Grid.from_image(scan.image).index_to_lps(places[:, ::-1])[:, 0]) < _MIDLINE_MM]
    return places


def _draw_box(scan: Scan, organ: str, places: NDArray, rng: np.random.Generator) -> Box:
    grid = Grid.from_image(scan.image)
    suv = sitk.GetArrayViewFromImage(scan.image)
    spacing = np.asarray(grid.spacing_mm)
    for _ in range(_TRIES):
        place = places[rng.integers(len(places))]
        edges = rng.uniform(*_EDGES_MM) * rng.uniform(1 - _UNEQUAL, 1 + _UNEQUAL, 3)
        edges = np.clip(edges, *_EDGES_MM)
        half = (edges / spacing / 2)[::-1]
        low, high = np.ceil(place - half).astype(int), np.floor(place + half).astype(int) + 1
        if np.all(low >= 0) and np.all(high <= suv.shape):
            block = suv[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            if np.mean(block > _BODY_SUV) >= _BODY_SHARE:
                x, y, z = grid.index_to_lps(place[::-1])
                return Box((x, y, z), (edges[0], edges[1], edges[2]))
    raise InvalidBoxError(f"The scan has no place for a box in the {organ}; choose another organ or another seed.")
