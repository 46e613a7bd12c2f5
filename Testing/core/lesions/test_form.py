"""Form of blocks and balls, whose values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from TumorGenCore.lesions.form import elongation, lumps, solidity

K, J, I = np.indices((40, 60, 60))  # noqa: E741
SPACING = (2.0, 3.0, 4.0)


def ball(k: float, j: float, i: float, radius: float) -> np.ndarray:
    return (4 * (K - k)) ** 2 + (3 * (J - j)) ** 2 + (2 * (I - i)) ** 2 <= radius**2


BLOCK = (abs(K - 20) < 5) & (abs(J - 30) < 10) & (abs(I - 30) < 20)
CORNER = BLOCK & ~((K > 20) & (J > 30))


def test_a_block_is_its_own_hull():
    assert solidity(BLOCK, SPACING) == pytest.approx(1)


def test_a_block_without_a_corner_has_the_volume_of_its_hull_too_much():
    # 9 x 19 voxels in the section, of which 4 x 9 are missing. The hull gives half of the missing rectangle back.
    assert solidity(CORNER, SPACING) == pytest.approx((171 - 36) / (171 - 18))


def test_one_slice_of_voxels_is_solid_and_an_empty_mask_has_no_solidity():
    assert solidity((K == 20) & BLOCK, SPACING) == pytest.approx(1)
    assert math.isnan(solidity(np.zeros_like(BLOCK), SPACING))


def test_elongation_of_a_block_is_the_ratio_of_its_edges():
    edges = sorted([9 * 4.0, 19 * 3.0, 39 * 2.0])
    assert elongation(BLOCK, SPACING) == pytest.approx((edges[1] / edges[2], edges[0] / edges[2]))


def test_lumps_are_counted_after_an_erosion():
    one, other = ball(12, 20, 20, 24), ball(28, 42, 42, 24)
    bridge = (abs((J - 20) - (I - 20)) < 2) & (abs(K - 12 - (J - 20) * 16 / 22) < 1) & (J > 20) & (J < 42)
    assert lumps(one, SPACING) == 1
    assert lumps(one | other, SPACING) == 2
    assert lumps(one | other | bridge, SPACING) == 2
    assert lumps(np.zeros_like(one), SPACING) == 0
    assert lumps((K == 20) & (J == 30) & (I == 30), SPACING) == 1
