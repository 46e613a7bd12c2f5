"""What an ablation turns off, one thing each: the engine's paste and refiner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator
from TumorGenCore.insertion.generator import FAINT_SUV, _change
from TumorGenCore.method.mask_refiner import plain_mask

BOX = Box((57.5, 57.5, 57.5), (60.0, 60.0, 60.0))


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(3).gamma(4.0, 0.2, (24, 24, 24)).astype(np.float32))
    image.SetSpacing((5.0, 5.0, 5.0))
    return image


def test_a_replacement_is_what_the_decoder_says_and_a_change_keeps_the_tissue_under_it() -> None:
    tissue, original, synthetic = (np.array(v, np.float32) for v in ([5.0, 5.0], [4.0, 4.0], [6.0, 2.0]))
    changed = _change(synthetic, original, "change").on(tissue)
    np.testing.assert_allclose(changed, [7.0, 5 * (2 + FAINT_SUV) / (4 + FAINT_SUV)], rtol=1e-6)
    np.testing.assert_allclose(_change(synthetic, original, "replace").on(tissue), synthetic)


def test_an_engine_that_replaces_says_so_and_leaves_what_is_outside(tiny_bundle_folder: Path, image) -> None:
    engine = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    other = TumorGenerator(engine.bundle, "cpu", paste="replace")
    changed, replaced = (e.insert(image, BOX, seed=1, steps=1, suv_factor=1) for e in (engine, other))
    before, a, b = (sitk.GetArrayFromImage(i) for i in (image, changed.image, replaced.image))
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(b[:6], before[:6])  # below the box
    assert replaced.provenance["paste"] == "replace" and "paste" not in changed.provenance


def test_without_the_refiner_the_mask_is_the_latent_one_and_the_image_stays(tiny_bundle_folder: Path, image) -> None:
    engine = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    plain = TumorGenerator(engine.bundle, "cpu", refine=False)
    a, b = (e.insert(image, BOX, seed=1, steps=2, suv_factor=1) for e in (engine, plain))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(a.image), sitk.GetArrayFromImage(b.image))
    assert not np.array_equal(sitk.GetArrayFromImage(a.mask_probability), sitk.GetArrayFromImage(b.mask_probability))
    assert b.provenance["refined"] == "no" and "refined" not in a.provenance


def test_a_plain_mask_is_the_share_of_tumor_between_the_cells() -> None:
    mask = torch.full((1, 1, 2, 2, 2), -1.0)
    mask[..., 1] = 1.0
    up = plain_mask(mask, 4)
    assert up.shape == (1, 1, 8, 8, 8)
    assert up[0, 0, 0, 0].tolist() == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
