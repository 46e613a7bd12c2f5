"""Crops of a scan around a box."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["block_around", "crop_around"]


def block_around(box: Box, grid: Grid, margin_voxels: int) -> tuple[tuple[slice, ...], Grid]:
    """Returns the block of voxels around a box with a margin, cut off at the edges of the grid.

    Args:
        box: box, which may reach beyond the grid.
        grid: grid of the scan.
        margin_voxels: margin on each side.

    Returns:
        Slices of an array (k, j, i), and the grid of the block.
    """
    start, stop = box.index_bounds(grid, margin_voxels)
    where = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
    return where, grid.region(start, stop - start)


def crop_around(image: sitk.Image, box: Box, margin_mm: float) -> sitk.Image:
    """Crops an image around a box, with at least this margin on each side, cut off at the edges of the image."""
    grid = Grid.from_image(image)
    start, stop = box.index_bounds(grid, int(np.ceil(margin_mm / min(grid.spacing_mm))))
    return sitk.RegionOfInterest(image, (stop - start).tolist(), start.tolist())
