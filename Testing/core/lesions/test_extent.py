"""The block of an array that holds a mask, with a margin that stops at the array's edge."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.lesions.extent import around, pieces


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


def test_every_piece_comes_by_itself_though_blocks_overlap() -> None:
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[0:5, 2, 2] = mask[4, 2, 2:6] = True
    mask[0:2, 3, 3] = True
    found = {int(piece.sum()): (block, piece) for block, piece in pieces(mask, 1)}
    assert set(found) == {8, 2}
    block, piece = found[2]
    assert piece.shape == (3, 3, 3)
    assert mask[block].sum() > 2
    assert not list(pieces(np.zeros((3, 3, 3), dtype=bool)))
