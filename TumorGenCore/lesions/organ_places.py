"""Places in an organ: boxes for lesions of real sizes, deep enough in it and apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.lesions.lesion_sizes import law_of_organ
from TumorGenCore.lesions.placement import (
    EDGE_PER_DIAMETER,
    MOST_EDGE_MM,
    SIZES_TRIED,
    draw_size,
    find_body,
    find_place,
    half_extent,
)
from TumorGenCore.volumes.geometry import Box, Grid, Vector
from TumorGenCore.volumes.volume import PetVolume
from TumorGenCore.volumes.voxels import read_region

__all__ = ["APART_MM", "boxes_in_organ"]

#: Least distance between two boxes, mm, along at least one axis.
APART_MM = 10.0
#: In an organ that is thinner than the lesion, centers lie at least as deep as this share of its largest depth.
_THIN = 0.5
#: Width of the border that the smoothing for the body may change, mm.
_SMOOTHED_MM = 16.0


def boxes_in_organ(
    volume: PetVolume,
    mask: NDArray[np.bool_],
    organ: str = "",
    count: int | None = 1,
    seed: int | np.random.Generator = 0,
    diameter_mm: float | None = None,
    even_sizes: bool = False,
) -> list[Box]:
    """Draws boxes for lesions in an organ.

    The center of a box lies as deep in the organ as the radius of its lesion, where the organ is that thick. The box
    lies in the scan and mostly in the body; it may reach beyond the organ, as a user's box does. Boxes are ``APART_MM``
    or more from each other. The first boxes of one seed are the same for every ``count``.

    Args:
        volume: the scan.
        mask: voxels of the organ, (k, j, i) of the scan, such as those of ``LabelMap.mask``.
        organ: name of the organ, which chooses the law of sizes and numbers (``lesion_sizes``); also for messages.
        count: number of boxes; None draws the number, and takes as many of them as fit.
        seed: decides places, sizes and a drawn number.
        diameter_mm: equivalent diameter of each lesion; None draws it.
        even_sizes: draw it by ``LesionLaw.even``, not as patients have it.

    Returns:
        Boxes along L, P and S; the edges are twice the diameter of the lesion, from 25 to 90 mm.

    Raises:
        InvalidBoxError: there is no room for so many boxes; the message says how many fit.
    """
    # With the name, lesions of one seed in two organs do not all have the same sizes.
    rng = np.random.default_rng([seed, crc32(organ.encode())] if isinstance(seed, int) else seed)
    law = law_of_organ(organ).even() if even_sizes else law_of_organ(organ)
    wanted = law.draw_number(rng.spawn(1)[0]) if count is None else count
    boxes: list[Box] = []
    places = _Places.of(volume, mask)
    for _ in range(wanted):
        tries = (places.find(draw_size(rng, law, diameter_mm), boxes, rng) for _ in range(SIZES_TRIED))
        box = next((box for box in tries if box is not None), None)
        if box is None:
            break
        boxes.append(box)
    if not boxes or (count is not None and len(boxes) < count):
        raise InvalidBoxError(_too_few(len(boxes), wanted, organ or "region", diameter_mm))
    return boxes


def _too_few(found: int, wanted: int, where: str, diameter_mm: float | None) -> str:
    size = "" if diameter_mm is None else f" of {diameter_mm:g} mm"
    if not found:
        return (
            f"No box for a lesion{size} fits into the {where} of this scan: it must lie inside the scan and mostly in "
            "the body. Choose a smaller lesion or another organ, or draw a box."
        )
    return (
        f"Only {found} of {wanted} lesions{size} fit into the {where} of this scan, with {APART_MM:g} mm between their "
        f"boxes. Ask for {found}, or for smaller lesions, or choose another seed or organ."
    )


@dataclass(frozen=True)
class _Places:
    """The part of a scan around an organ, as large as the largest box needs it.

    Args:
        grid: grid of the part.
        depth_mm: depth of the voxels in the organ, mm, (k, j, i); 0 outside of it.
        body: voxels of the body, (k, j, i).
    """

    grid: Grid
    depth_mm: NDArray[np.float64]
    body: NDArray[np.bool_]

    @classmethod
    def of(cls, volume: PetVolume, mask: NDArray[np.bool_]) -> Self:
        """Cuts the part out of a scan; ``mask`` has voxels (k, j, i) of the organ.

        Raises:
            InvalidBoxError: there is no voxel.
        """
        from scipy import ndimage  # here, because its import takes longer than all others in this file

        whole = Grid.from_image(volume.image)
        if not mask.any():
            raise InvalidBoxError("The organ has no voxel on the scan. Check that scan and labels belong together.")
        inside = [np.flatnonzero(mask.any(axis=others)) for others in ((0, 1), (0, 2), (1, 2))]
        margin = np.ceil(half_extent((MOST_EDGE_MM + 2 * _SMOOTHED_MM,) * 3, whole)).astype(int)
        start = np.maximum([found[0] for found in inside] - margin, 0)
        stop = np.minimum([found[-1] + 1 for found in inside] + margin, whole.size_ijk)
        organ = mask[tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))]
        suv = read_region(volume.image, start.tolist(), (stop - start).tolist()) * np.float32(volume.units.suv_factor)
        depth = ndimage.distance_transform_edt(organ, sampling=whole.spacing_mm[::-1])
        return cls(whole.region(start, stop - start), depth, find_body(suv, whole.spacing_mm))

    def find(self, size_mm: Vector, taken: Sequence[Box], rng: np.random.Generator) -> Box | None:
        """Finds a random place for a box that is far enough from those ``taken``; None if there seems to be none."""
        radius_mm = float(np.mean(size_mm)) / EDGE_PER_DIAMETER / 2
        deep = self.depth_mm >= min(radius_mm, _THIN * float(self.depth_mm.max()))
        return find_place(size_mm, deep, self.body, self.grid, taken, rng, APART_MM)
