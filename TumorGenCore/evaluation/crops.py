"""The neighborhood of a box: all that is looked at or kept of a scan."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["block_around", "crop_around"]


def block_around(box: Box, grid: Grid, margin_voxels: int) -> tuple[tuple[slice, ...], Grid]:
    """The voxels of a box and of a margin, as far as the grid reaches.

    Args:
        box: it may stick out of the grid.
        grid: of the scan.
        margin_voxels: kept on each side.

    Returns:
        The block of an array (k, j, i), and its own grid.
    """
    start, stop = box.index_bounds(grid, margin_voxels)
    where = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
    return where, grid.region(start, stop - start)


def crop_around(image: sitk.Image, box: Box, margin_mm: float) -> sitk.Image:
    """The image around a box, with at least this margin on each side as far as the image reaches."""
    grid = Grid.from_image(image)
    start, stop = box.index_bounds(grid, int(np.ceil(margin_mm / min(grid.spacing_mm))))
    return sitk.RegionOfInterest(image, (stop - start).tolist(), start.tolist())
