"""Training examples: reproducible, of both kinds, with boxes around the tumor and its spill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from small_cases import write_case

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.form import elongation
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.data.cases import Case, load_cases
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.data.examples import Example, ExampleMaker
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.volumes.patch import PatchSettings

PATCH = PatchSettings(spacing_mm=4.0, context_mm=16.0, multiple=8, max_size=32)
LEAST_MM = 4.0
SIZE = 24


@pytest.fixture(scope="module")
def cases(tiny_cases) -> list[Case]:
    return load_cases(tiny_cases)


def maker(cases: list[Case], seed: int = 0, **settings) -> ExampleMaker:
    return ExampleMaker(cases, PATCH, BoxOffsets(0.15, LEAST_MM), ExampleSettings(**settings), seed)


@pytest.fixture(scope="module")
def examples(cases) -> list[Example]:
    made = maker(cases)
    return [made.example(index, SIZE) for index in range(40)]


def test_same_seed_and_index_give_the_same_example_in_any_order(cases, examples):
    again = maker(cases)
    for index in (17, 3):
        example = again.example(index, SIZE)
        assert np.array_equal(example.suv, examples[index].suv)
        assert np.array_equal(example.mask, examples[index].mask)
        assert example.patch == examples[index].patch
        assert np.array_equal(again.texture(index, SIZE), maker(cases).texture(index, SIZE))


def test_other_seeds_and_indices_give_other_examples(cases, examples):
    assert not np.array_equal(maker(cases, seed=1).example(3, SIZE).suv, examples[3].suv)
    assert not np.array_equal(examples[3].suv, examples[4].suv)


@pytest.mark.parametrize("size", [16, 24, 32])
def test_patches_have_the_size_asked_for(cases, size):
    made = maker(cases)
    for index in range(3):
        example = made.example(index, size)
        assert example.suv.shape == example.mask.shape == (size,) * 3
        assert example.patch.grid.size_ijk == (size,) * 3
        assert made.texture(index, size).shape == (size,) * 3


def test_values_are_finite_float32_suv_and_masks_are_0_and_1(cases, examples):
    textures = [maker(cases).texture(index, SIZE) for index in range(20)]
    for suv in [example.suv for example in examples] + textures:
        assert suv.dtype == np.float32
        assert np.isfinite(suv).all()
        assert suv.min() >= 0
    for example in examples:
        assert set(np.unique(example.mask)) == {0.0, 1.0}


def test_boxes_hold_the_mask(examples):
    for example in examples:
        assert not np.any(example.mask[example.patch.box_coverage() == 0])


def test_tumors_are_hot_whatever_their_kind(examples):
    for example in examples:
        inside = example.mask > 0
        around = ndimage.binary_dilation(inside, iterations=4) & ~ndimage.binary_dilation(inside, iterations=2)
        assert np.median(example.suv[inside]) > 1.5 * np.median(example.suv[around])


def test_both_kinds_occur_and_the_share_is_obeyed(cases, examples):
    assert 0.35 < np.mean([example.transplanted for example in examples]) < 0.85
    assert not any(maker(cases, transplant_share=0.0).example(n, SIZE).transplanted for n in range(6))
    assert all(maker(cases, transplant_share=1.0).example(n, SIZE).transplanted for n in range(6))


def margins_mm(example: Example) -> np.ndarray:
    """Distance of the tumor's outermost voxel centers from the six faces of the box, in apparent mm."""
    spacing = example.patch.grid.spacing_mm[0]
    apparent = PATCH.spacing_mm / spacing
    i, j, k = np.nonzero(example.mask.transpose(2, 1, 0))
    points = (np.stack([i, j, k], axis=1) - (np.asarray(example.mask.shape[::-1]) - 1) / 2) * spacing
    half = np.asarray(example.patch.box.size_mm) / 2
    return np.concatenate([half - points.max(axis=0), points.min(axis=0) + half]) * apparent


def test_box_keeps_the_least_margin_on_every_face(cases, tiny_cases):
    made = maker(cases, transplant_share=0.0)
    margins = np.array([margins_mm(made.example(index, SIZE)) for index in range(20)])
    # Resampling may round a tumor's surface by half a voxel of the patch.
    assert margins.min() >= LEAST_MM - PATCH.spacing_mm / 2
    # BA-PMG moves the faces outward at random, so not all are at the least margin.
    assert margins.std() > 1


def test_box_leaves_the_context_around_it(examples):
    for example in examples:
        apparent = PATCH.spacing_mm / example.patch.grid.spacing_mm[0]
        room = SIZE * PATCH.spacing_mm - 2 * PATCH.context_mm
        assert max(example.patch.box.size_mm) * apparent <= room * (1.2 if example.transplanted else 1) + 1e-6


def test_cases_without_any_tumor_are_refused(tmp_path):
    write_case(tmp_path, "P1", None)
    with pytest.raises(TrainingDataError, match="No case has a tumor mask"):
        maker(load_cases(tmp_path))


def test_cubic_resampling_keeps_edges_steeper_and_uptake_above_zero(cases):
    settings = {"transplant_share": 0.0, "resolution_mm": (0.1, 0.1)}
    linear, cubic = (maker(cases, cubic=c, **settings) for c in (False, True))
    for index in range(6):
        blurred, kept = (made.example(index, SIZE).suv for made in (linear, cubic))
        assert np.abs(kept - blurred).mean() < 0.1 * blurred.mean()
        assert steepest(kept) > steepest(blurred)
        assert kept.min() >= 0


def steepest(suv: np.ndarray) -> float:
    return float(np.percentile(ndimage.gaussian_gradient_magnitude(suv, 0.5), 99.5))


@pytest.fixture(scope="module")
def shapes() -> list[Shape]:
    """Bars, which no tumor of the cases is like."""
    return [Shape("bars", f"P{n}", np.ones((2, 2, 9), bool), (4.0, 4.0, 4.0)) for n in range(3)]


@pytest.mark.parametrize("carried", [0.0, 1.0])
def test_shaped_examples_have_the_shape_of_the_library(cases, shapes, carried):
    settings = ExampleSettings(
        transplant_share=1, shaped_share=1, carried_share=carried, warp=0.01, resolution_mm=(2, 3)
    )
    shaped = ExampleMaker(cases, PATCH, BoxOffsets(0.15, LEAST_MM), settings, 0, shapes)
    made = [shaped.example(index, SIZE) for index in range(12)]
    assert all(example.transplanted for example in made)
    bars = [elongation(example.mask > 0, example.patch.grid.spacing_mm)[1] < 0.5 for example in made]
    balls = [
        elongation(example.mask > 0, example.patch.grid.spacing_mm)[1] < 0.5
        for example in (maker(cases, transplant_share=1).example(index, SIZE) for index in range(12))
    ]
    assert np.mean(bars) > 0.8 > 0.3 > np.mean(balls)


def test_without_shapes_no_example_is_shaped(cases):
    with_share, without = maker(cases, shaped_share=1.0), maker(cases)
    np.testing.assert_array_equal(with_share.example(5, SIZE).suv, without.example(5, SIZE).suv)


def test_shifted_patches_hold_the_box_off_their_middle(cases):
    shifted = ExampleMaker(cases, replace(PATCH, most_shift_mm=8.0), BoxOffsets(0.15, LEAST_MM), ExampleSettings(), 0)
    moves = []
    for index in range(12):
        example = shifted.example(index, SIZE)
        low, high = example.patch.box_bounds()
        moves.append((low + high) / 2 - (SIZE - 1) / 2)
        assert example.mask[example.patch.box_coverage() <= 0].max() == 0
    moves_mm = np.abs(moves) * PATCH.spacing_mm
    assert 5 < moves_mm.max() < 8 * 1.3  # Examples are zoomed a little.
