"""Masks as a reader might draw them: near the fitted mask, another one for each seed, and said in the provenance."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.insertion.reader_mask import drawn_after, drawn_by_reader
from TumorGenCore.lesions.agreement import dice

DISTANCE = np.linalg.norm((np.indices((40, 44, 48)).T - [20, 22, 24]).T, axis=0)
BALL = np.clip(0.5 + (8 - DISTANCE) / 2, 0, 1).astype(np.float32)


def test_a_drawn_mask_lies_near_the_fitted_one_and_scatters() -> None:
    masks = [drawn_by_reader(BALL, 2.5, seed) > 0.5 for seed in range(40)]
    agreement = [dice(mask, BALL > 0.5) for mask in masks]
    assert 0.8 < np.mean(agreement) < 0.95 and min(agreement) > 0.6
    volumes = np.array([mask.sum() for mask in masks]) / (BALL > 0.5).sum()
    assert 1.0 < volumes.mean() < 1.5 and 0.1 < volumes.std() < 0.5
    assert np.array_equal(masks[3], drawn_by_reader(BALL, 2.5, 3) > 0.5) and not np.array_equal(masks[3], masks[4])


def test_the_border_lies_between_voxels_and_the_mask_is_one_piece() -> None:
    drawn = drawn_by_reader(BALL, 2.5, 1)
    assert drawn.dtype == np.float32 and drawn.min() == 0 and drawn.max() <= 1
    assert len(np.unique(drawn)) > 20
    assert (
        sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray((drawn > 0.5).astype("u1")))).max() == 1
    )


def test_nothing_and_a_single_voxel_stay() -> None:
    nothing = np.zeros((8, 8, 8), np.float32)
    assert drawn_by_reader(nothing, 2.5, 0) is nothing
    speck = nothing.copy()
    speck[4, 4, 4] = 0.9
    for seed in range(10):
        assert (drawn_by_reader(speck, 2.5, seed) > 0.5).any()


def test_a_mask_that_fills_its_array_is_drawn_too() -> None:
    for seed in range(5):
        assert (drawn_by_reader(np.ones((12, 12, 12), np.float32), 2.5, seed) > 0.5).mean() > 0.5


def test_the_reader_draws_what_was_fitted() -> None:
    fit = drawn_after(lambda probability, suv, brought: np.roll(probability, 5, axis=2), 2.5, 7)
    np.testing.assert_array_equal(fit(BALL, BALL, BALL), drawn_by_reader(np.roll(BALL, 5, axis=2), 2.5, 7))
    np.testing.assert_array_equal(drawn_after(None, 2.5, 7)(BALL, BALL, BALL), drawn_by_reader(BALL, 2.5, 7))


@pytest.mark.slow
def test_the_same_tumor_gets_another_mask() -> None:
    generator = TumorGenerator.from_pretrained(device="cpu")
    image = sitk.GetImageFromArray(np.random.default_rng(0).gamma(9, 0.1, (32, 32, 32)).astype(np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    box = Box((48.0, 48.0, 48.0), (40.0, 40.0, 40.0))
    fitted, drawn = (
        generator.insert(image, box, TumorRequest(mask=kind), suv_factor=1) for kind in ("metabolic", "reader")
    )
    masks = [sitk.GetArrayFromImage(tumor.mask) > 0 for tumor in (fitted, drawn)]
    assert masks[0].any() and not np.array_equal(*masks) and dice(*masks) > 0.5
    assert drawn.provenance["request"]["mask"] == "reader"
