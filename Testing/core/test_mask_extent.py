"""The block of an array that holds a mask, with a margin that stops at the array's edge."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.mask_extent import around


@pytest.mark.parametrize(
    ("margin", "shape"),
    [(0, (2, 3, 1)), (1, (4, 5, 2)), ([2, 0, 3], (6, 3, 4)), (99, (20, 21, 22))],
)
def test_the_block_holds_the_whole_mask_and_its_margin_as_far_as_there_are_voxels(margin, shape) -> None:
    mask = np.zeros((20, 21, 22), dtype=bool)
    mask[5, 6, 0] = mask[6, 8, 0] = True
    block = mask[around(mask, margin)]
    assert block.sum() == 2
    assert block.shape == shape
