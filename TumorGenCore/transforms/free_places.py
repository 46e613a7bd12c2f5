"""Places for tumors in one scan: in the body or a region, away from labels that are there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.lesions.placement import SIZES_TRIED, draw_size, find_body, find_place
from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["FreePlaces"]

#: Largest voxel edge on which the body is found, mm; finer ones only cost time.
_BODY_MM = 9.0


class FreePlaces:
    """Draws boxes that hold no labeled voxel and do not overlap.

    Args:
        voxels: the scan, (k, j, i).
        suv_factor: factor to SUV.
        grid: its grid.
        taken: voxels to keep away from, same shape.
        region: voxels where centers may lie, same shape; None is the body.
    """

    def __init__(
        self,
        voxels: NDArray,
        suv_factor: float,
        grid: Grid,
        taken: NDArray[np.bool_],
        region: NDArray[np.bool_] | None = None,
    ) -> None:
        self.grid, self.taken = grid, taken
        self.body = _body(voxels, suv_factor, grid)
        self.region = (self.body if region is None else region) & ~taken
        self.boxes: list[Box] = []

    def find(self, diameter_mm: float | None, rng: np.random.Generator) -> Box | None:
        """Finds a random place; None if there seems to be none. If a size fits nowhere, another one is drawn.

        Args:
            diameter_mm: equivalent diameter of the tumor; None draws it.
            rng: source of size and place.
        """
        for _ in range(SIZES_TRIED):
            size = draw_size(rng, diameter_mm=diameter_mm)
            box = find_place(size, self.region, self.body, self.grid, self.boxes, rng)
            if box is None:
                continue
            voxels, around = box.voxels(self.grid)
            if not self.taken[around][voxels].any():
                self.boxes.append(box)
                return box
        return None


def _body(voxels: NDArray, suv_factor: float, grid: Grid) -> NDArray[np.bool_]:
    """The body, (k, j, i), found on every n-th voxel: a whole-body scan would take seconds otherwise."""
    steps = [max(1, int(_BODY_MM / edge)) for edge in grid.spacing_mm]
    few = voxels[tuple(slice(None, None, step) for step in reversed(steps))] * np.float32(suv_factor)
    found = find_body(few, [step * edge for step, edge in zip(steps, grid.spacing_mm, strict=True)])
    for axis, step in enumerate(reversed(steps)):
        found = found.repeat(step, axis=axis)
    whole: NDArray[np.bool_] = found[tuple(slice(0, n) for n in voxels.shape)]
    return whole
