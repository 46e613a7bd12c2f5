"""Variety between seeds and between sites, in box coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.evaluation.themes.diversity import in_box, pair_correlation, pair_dice, variation
from TumorGenCore.volumes.geometry import Box, Grid


def ball_in(box: Box, shift_mm: float = 0.0):
    """A volume with a ball in the middle of the box, shifted along x; the radius is a quarter of the box's edge."""
    grid = Grid((60, 60, 60), (2.0, 2.0, 2.0), (-60.0, -60.0, -60.0))
    k, j, i = np.indices(grid.size_ijk[::-1])
    at = box.to_box(grid.index_to_lps(np.stack([i, j, k], axis=-1)))
    at[..., 0] -= shift_mm
    inside = (at**2).sum(axis=-1) <= (box.size_mm[0] / 4) ** 2
    return grid.image_from_array(inside.astype(np.float32))


def test_the_same_tumor_in_boxes_of_other_places_and_sizes_is_the_same():
    small, large = Box((-10.0, 0.0, 5.0), (40.0, 40.0, 40.0)), Box((10.0, 8.0, 0.0), (72.0, 72.0, 72.0))
    changes = [in_box(ball_in(box), box) for box in (small, large)]
    assert pair_correlation(changes) > 0.9
    assert pair_dice([change > 0.5 for change in changes]) > 0.9
    elsewhere = [changes[0], in_box(ball_in(large, 20.0), large)]
    assert pair_correlation(elsewhere) < 0.4
    assert pair_dice([change > 0.5 for change in elsewhere]) < 0.4


def test_closed_forms():
    a, b = np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, -1.0])
    assert pair_correlation([a, 3 * a + 2]) == pytest.approx(1)
    assert pair_correlation([a, -a]) == pytest.approx(-1)
    assert pair_correlation([a, a, b]) == pytest.approx(1 / 3)
    assert variation([1.0, 3.0]) == pytest.approx(np.sqrt(2) / 2)


def test_without_a_pair_there_is_no_figure():
    nothing, something = np.zeros(4), np.array([0.0, 0.0, 1.0, 0.0])
    assert pair_correlation([something, nothing]) is None
    assert pair_dice([something > 0, nothing > 0]) is None
    assert variation([2.0, float("nan")]) is None
