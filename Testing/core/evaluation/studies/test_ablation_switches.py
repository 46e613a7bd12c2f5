"""Parts of the engine that an ablation turns off: paste and refiner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.evaluation.studies.insertion_switches import Replacing, Unrefined, plain_mask
from TumorGenCore.insertion.change import FAINT_SUV, tissue_change
from TumorGenCore.insertion.engine import Grown

BOX = Box((57.5, 57.5, 57.5), (60.0, 60.0, 60.0))


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(3).gamma(4.0, 0.2, (24, 24, 24)).astype(np.float32))
    image.SetSpacing((5.0, 5.0, 5.0))
    return image


def test_a_replacement_is_what_the_decoder_says_and_a_change_keeps_the_tissue_under_it(tiny_bundle_folder) -> None:
    tissue, original, synthetic = (np.array(v, np.float32) for v in ([5.0, 5.0], [4.0, 4.0], [6.0, 2.0]))
    changed = tissue_change(synthetic, original).on(tissue)
    np.testing.assert_allclose(changed, [7.0, 5 * (2 + FAINT_SUV) / (4 + FAINT_SUV)], rtol=1e-6)
    replacing = Replacing(load_bundle(tiny_bundle_folder), "cpu")
    replaced = replacing.change(Grown(synthetic, synthetic), None)  # type: ignore[arg-type]
    np.testing.assert_allclose(replaced.on(tissue), synthetic)


def test_an_engine_that_replaces_leaves_what_is_outside(tiny_bundle_folder: Path, image) -> None:
    engine = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    other = Replacing(engine.bundle, "cpu")
    changed, replaced = (e.insert(image, BOX, TumorRequest(steps=1), seed=1, suv_factor=1) for e in (engine, other))
    before, a, b = (sitk.GetArrayFromImage(i) for i in (image, changed.image, replaced.image))
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(b[:6], before[:6])  # below the box


def test_without_the_refiner_the_mask_is_another_one(tiny_bundle_folder: Path, image) -> None:
    engine = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    plain = Unrefined(engine.bundle, "cpu")
    a, b = (e.insert(image, BOX, TumorRequest(steps=2), seed=1, suv_factor=1) for e in (engine, plain))
    assert not np.array_equal(sitk.GetArrayFromImage(a.mask_probability), sitk.GetArrayFromImage(b.mask_probability))


def test_a_plain_mask_is_the_share_of_tumor_between_the_cells() -> None:
    mask = torch.full((1, 1, 2, 2, 2), -1.0)
    mask[..., 1] = 1.0
    up = plain_mask(mask, 4)
    assert up.shape == (1, 1, 8, 8, 8)
    assert up[0, 0, 0, 0].tolist() == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
