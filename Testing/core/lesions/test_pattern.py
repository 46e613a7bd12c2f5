"""Evenness of the uptake, and the core against the rim."""

import numpy as np
import pytest

from TumorGenCore.lesions.pattern import core_over_rim, evenness

FROM_CENTER = np.linalg.norm(np.indices((31, 31, 31)) - 15, axis=0)
BALL = FROM_CENTER <= 12
DEPTH = 12 - FROM_CENTER


def test_even_uptake_is_1_and_a_peak_is_less():
    assert evenness(np.full(BALL.shape, 3.0), BALL) == pytest.approx(1)
    assert evenness(DEPTH, BALL) == pytest.approx(DEPTH[BALL].mean() / np.percentile(DEPTH[BALL], 95))
    assert evenness(DEPTH, BALL) < 0.5


def test_a_hot_core_is_above_1_and_a_cold_one_below():
    assert core_over_rim(np.full(BALL.shape, 3.0), BALL) == pytest.approx(1)
    assert core_over_rim(np.where(DEPTH > 4, 4.0, 2.0), BALL) > 1.5
    assert core_over_rim(np.where(DEPTH > 4, 1.0, 4.0), BALL) < 0.5


def test_thick_slices_count_as_thick():
    """On voxels of 1 x 1 x 2 mm the same ball has half the slices."""
    hot = np.where(DEPTH > 6, 4.0, 2.0)
    thick = core_over_rim(hot[1::2], BALL[1::2], (1.0, 1.0, 2.0))
    assert thick == pytest.approx(core_over_rim(hot, BALL), rel=0.05)


def test_a_tumor_that_fills_the_array_has_a_rim_too():
    assert core_over_rim(np.ones((5, 5, 5)), np.ones((5, 5, 5), bool)) == pytest.approx(1)
