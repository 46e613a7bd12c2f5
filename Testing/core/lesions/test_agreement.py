"""Mask against uptake: a mask on its uptake agrees fully. A mask beside it, on half of it, or too wide does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from TumorGenCore.lesions.agreement import contrast, dice, edge_contrast, uptake_cover, uptake_dice

SPACING = (2.5, 2.5, 2.5)
K, J, I = np.indices((40, 40, 40))  # noqa: E741
BALL = (K - 20) ** 2 + (J - 20) ** 2 + (I - 20) ** 2 <= 36
BOX = np.zeros_like(BALL)
BOX[5:35, 5:35, 5:35] = True
SUV = ndimage.gaussian_filter(np.where(BALL, 6.0, 1.0), 1.0) + np.random.default_rng(0).normal(0, 0.05, BALL.shape)


def measures(mask):
    return (
        uptake_dice(SUV, mask, BOX),
        uptake_cover(SUV, mask, BOX),
        edge_contrast(SUV, mask, SPACING),
        contrast(SUV, mask, BOX),
    )


def test_a_mask_on_its_uptake_agrees_fully():
    assert measures(BALL) == pytest.approx((1, 1, 1, 1), abs=0.08)


def test_a_mask_beside_its_uptake_fails_in_every_measure():
    there, beside = measures(BALL), measures(np.roll(BALL, 5, axis=0))
    assert all(b < t - 0.1 for b, t in zip(beside, there, strict=True))
    assert beside[2] < 0.75


def test_half_a_mask_covers_half_of_the_uptake():
    half = BALL & (K >= 20)
    assert uptake_cover(SUV, half, BOX) == pytest.approx(half.sum() / BALL.sum(), abs=0.08)
    assert edge_contrast(SUV, half, SPACING) < edge_contrast(SUV, BALL, SPACING) - 0.05


def test_a_mask_too_wide_covers_all_and_overlaps_less():
    wide = ndimage.binary_dilation(BALL, iterations=3)
    assert uptake_cover(SUV, wide, BOX) > 0.95
    assert uptake_dice(SUV, wide, BOX) < 0.7


def test_another_hot_place_in_the_box_does_not_count():
    other = (K - 10) ** 2 + (J - 10) ** 2 + (I - 10) ** 2 <= 9
    assert uptake_cover(np.where(other, 9.0, SUV), BALL, BOX) > 0.9


def test_necrosis_belongs_to_the_tumor():
    core = (K - 20) ** 2 + (J - 20) ** 2 + (I - 20) ** 2 <= 4
    assert uptake_dice(np.where(core, 0.5, SUV), BALL, BOX) > 0.9


def test_nothing_and_everything_marked():
    nothing, everything = np.zeros_like(BALL), np.ones_like(BALL)
    assert measures(nothing) == (0, 0, 0.5, 0.5)
    assert edge_contrast(SUV, everything, SPACING) == 0.5
    assert uptake_dice(SUV, everything, everything) >= 0
    assert dice(nothing, nothing) == 0
