"""Crops around a box."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.crops import block_around, crop_around
from TumorGenCore.volumes.geometry import Box, Grid

GRID = Grid((20, 24, 28), (2.0, 3.0, 4.0), (-10.0, 5.0, 0.0))
BOX = Box((10.0, 32.0, 60.0), (8.0, 12.0, 12.0))


def test_a_block_and_its_grid_lie_where_the_box_is() -> None:
    inside = BOX.mask(GRID)
    where, grid = block_around(BOX, GRID, 2)
    assert inside[where].sum() == inside.sum() > 0
    assert inside[where].shape == grid.size_ijk[::-1]
    np.testing.assert_array_equal(inside[where], BOX.mask(grid))


def test_a_crop_keeps_its_margin_as_far_as_the_image_reaches() -> None:
    image = GRID.image_from_array(np.arange(20 * 24 * 28, dtype=np.float32).reshape(28, 24, 20))
    crop = crop_around(image, BOX, 10.0)
    low, high = Grid.from_image(crop).corners_lps.min(axis=0), Grid.from_image(crop).corners_lps.max(axis=0)
    assert (low <= BOX.corners_lps.min(axis=0) - 10).all() and (high >= BOX.corners_lps.max(axis=0) + 10).all()
    center = BOX.center_lps
    values = [some.GetPixel(*some.TransformPhysicalPointToIndex(center)) for some in (image, crop)]
    assert values[0] == values[1]
    assert crop_around(image, BOX, 500.0).GetSize() == image.GetSize()
    assert sitk.GetArrayViewFromImage(crop).size < sitk.GetArrayViewFromImage(image).size
