"""The shipped bundles on real scans and on the phantom: the promises of the product."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from TumorGenCore import Box, TumorGenerator, TumorRequest, read_volume
from TumorGenCore.bundle.laws import NoiseLaw
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.sites import Site, evaluate_site, sites_of
from TumorGenCore.evaluation.studies.insertion_switches import Unfitted
from TumorGenCore.evaluation.themes.quality_gate import quality_gate
from TumorGenCore.evaluation.themes.reconstruction import evaluate_reconstruction
from TumorGenCore.insertion.mask_fitting import fitted_share
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.lesions.avid_part import threshold_of
from TumorGenCore.phantom.phantom import make_phantom, phantom_box
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.volumes.geometry import Grid

#: Some training cases of the bundle.
TRAINED_ON = ["STS_001", "STS_004", "STS_007", "STS_010", "STS_014", "STS_021", "STS_029", "STS_041"]


@pytest.fixture(scope="module")
def generator() -> TumorGenerator:
    return TumorGenerator.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def phantom() -> sitk.Image:
    return make_phantom(0, spacing_mm=(5.0, 5.0, 5.0))


def _assert_only_the_box_changed(before: sitk.Image, result: Tumor, box: Box) -> None:
    grid = Grid.from_image(before)
    k, j, i = np.indices(grid.size_ijk[::-1], sparse=True)
    coordinates = np.asarray(box.axes).T @ (grid.index_to_lps_matrix[:3, :3])
    start = np.asarray(box.axes).T @ (np.asarray(grid.origin_lps) - np.asarray(box.center_lps))
    inside = np.ones(grid.size_ijk[::-1], dtype=bool)
    for axis in range(3):
        along = start[axis] + coordinates[axis, 0] * i + coordinates[axis, 1] * j + coordinates[axis, 2] * k
        inside &= np.abs(along) <= box.size_mm[axis] / 2
    old, new = sitk.GetArrayViewFromImage(before), sitk.GetArrayViewFromImage(result.image)
    assert np.array_equal(old[~inside], new[~inside])
    assert not np.array_equal(old[inside], new[inside])
    assert not sitk.GetArrayViewFromImage(result.mask)[~inside].any()


@pytest.mark.parametrize("site", ["right lung", "left thigh", "neck"])
def test_the_phantom_gets_a_tumor_that_is_hotter_than_its_surroundings(
    generator: TumorGenerator, phantom: sitk.Image, site: str
) -> None:
    box = phantom_box(site)
    result = generator.insert(phantom, box, seed=1, suv_factor=1)
    _assert_only_the_box_changed(phantom, result, box)
    mask = sitk.GetArrayFromImage(result.mask) > 0
    assert mask.any()
    change = sitk.GetArrayFromImage(result.image) - sitk.GetArrayFromImage(phantom)
    assert change[mask].mean() > 0.5


def test_a_mask_is_fitted_to_its_uptake_and_the_image_stays(generator: TumorGenerator, phantom: sitk.Image) -> None:
    bare = Unfitted(generator.bundle, "cpu")
    prepared = generator.prepare(phantom, phantom_box("left thigh"), suv_factor=1)
    a, b = (each.generate(prepared, seed=0) for each in (generator, bare))
    suv, sampled = sitk.GetArrayFromImage(a.image), sitk.GetArrayFromImage(b.mask) > 0
    np.testing.assert_array_equal(suv, sitk.GetArrayFromImage(b.image))
    kept = sitk.GetArrayFromImage(a.mask) > 0
    taken = sampled & ~kept
    assert kept.any() and taken.any()
    assert suv[taken].max() < np.median(suv[kept])


def test_a_mask_is_fitted_to_the_uptake_that_was_asked_for(generator: TumorGenerator, phantom: sitk.Image) -> None:
    """A tumor that is scaled down keeps its width relative to its hottest voxels: M' reaches as far."""
    # Without noise, whose peaks beside the mask would count as missed.
    clean = TumorGenerator(replace(generator.bundle, noise=NoiseLaw()), "cpu")
    prepared = clean.prepare(phantom, phantom_box("lumbar spine"), suv_factor=1)
    for seed in (0, 3):
        result = clean.generate(prepared, TumorRequest(suv_max=6.0), seed=seed)
        assert result.pasted.gain < 0.8
        suv, mask = sitk.GetArrayFromImage(result.image), sitk.GetArrayFromImage(result.mask) > 0
        beside = ndimage.binary_dilation(mask) & ~mask & (suv - sitk.GetArrayFromImage(phantom) > 0.2 * suv)
        # A little more than the threshold of M', because smoothing rounds its corners off.
        share = fitted_share(mask.sum() * 5.0**3 / 1000, generator.bundle.tuning) + 0.05
        missed = beside & (suv > threshold_of(suv[mask], share, prepared.tissue_suv))
        assert missed.sum() < 0.1 * mask.sum()


@pytest.mark.slow
def test_four_steps_of_second_order_come_as_near_to_fifty_as_ten_of_first(
    generator: TumorGenerator, phantom: sitk.Image
) -> None:
    """The promise of the four-step bundle: hottest voxels and masks equal those of a fine solution."""
    quick = TumorGenerator.from_pretrained("pet-fdg-v2-4step", "cpu")
    assert quick.bundle.weights_hash == generator.bundle.weights_hash
    errors = []
    for site in ("right lung", "left thigh"):
        prepared = generator.prepare(phantom, phantom_box(site), suv_factor=1)
        for seed in range(2):
            fine, ten = (
                generator.generate(prepared, TumorRequest(steps=steps, solver="euler"), seed=seed).image
                for steps in (50, 10)
            )
            four = quick.generate(prepared, seed=seed)
            assert (four.maker.sampling.steps, four.maker.sampling.solver) == (4, "adams")
            hottest = [sitk.GetArrayViewFromImage(image).max() for image in (fine, ten, four.image)]
            errors.append([abs(hottest[1] / hottest[0] - 1), abs(hottest[2] / hottest[0] - 1)])
    ten_steps, four_steps = np.mean(errors, axis=0)
    assert four_steps < ten_steps + 0.03


@pytest.mark.slow
def test_unseen_patients_are_reconstructed_and_get_tumors_where_the_mask_says(
    generator: TumorGenerator, shared_data: Path
) -> None:
    name = generator.bundle.notes["cases"]["validation"][0]
    case = load_cases(shared_data / "sts", [name])[0]
    assert evaluate_reconstruction(generator.bundle, case)["psnr_db"] > 36
    tumor, healthy = sites_of(case)
    figures, results = evaluate_site(generator, healthy, range(2))
    _assert_only_the_box_changed(case.image, results[0], healthy.box)
    assert figures["contrast"] > 0.9
    assert figures["uptake_dice"] > 0.6
    assert figures["seed_dice"] < 0.95
    # Large boxes are a weakness of this bundle (see its card), so their limits are lower.
    figures, results = evaluate_site(generator, tumor, range(2))
    _assert_only_the_box_changed(case.image, results[0], tumor.box)
    assert figures["contrast"] > 0.85
    assert figures["uptake_dice"] > 0.25


def test_real_lesions_pass_the_quality_gate_and_spoiled_ones_seldom_do(
    generator: TumorGenerator, shared_data: Path
) -> None:
    cases = generator.bundle.notes["cases"]
    held_out, training = (load_cases(shared_data / "sts", names) for names in (cases["validation"], TRAINED_ON))
    assert set(TRAINED_ON) <= set(cases["training"])
    found = quality_gate(held_out, training, [], generator.bundle.training_lesions)
    assert found["groups"]["real"]["passes"] > 0.85
    spoilt = {way: kinds["real"] for way, kinds in found["spoilt"].items()}
    # A sarcoma's mask still fits when it is moved by two voxels.
    least = {"shifted": 0.7, "halved": 0.8, "smooth": 0.85, "hard": 0.9, "copy": 0.85}
    assert {way: row["auc"] > least[way] for way, row in spoilt.items()} == dict.fromkeys(least, True), spoilt
    assert max(spoilt[way]["passes"] for way in ("smooth", "hard", "copy")) < 0.2


def test_a_dicom_series_gets_the_tumor_of_its_suv_volume(generator: TumorGenerator, shared_data: Path) -> None:
    series = read_volume(shared_data / "dicom" / "CCTH-A01")
    assert series.units.source == "dicom tags"
    box = Box.from_ras((60.0, 40.0, 350.0), (40.0, 40.0, 40.0))
    from_series = generator.insert(series, box, seed=3)
    from_suv = generator.insert(series.image * series.units.suv_factor, box, seed=3, suv_factor=1)
    _assert_only_the_box_changed(series.image, from_series, box)
    a = sitk.GetArrayFromImage(from_series.mask).astype(bool)
    b = sitk.GetArrayFromImage(from_suv.mask).astype(bool)
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.99


def test_a_whole_body_scan_keeps_every_voxel_outside_a_rotated_box(
    generator: TumorGenerator, shared_data: Path
) -> None:
    volume = read_volume(shared_data / "whole_body" / "QIN-HEADNECK-01-0139_image.nii.gz", suv_factor=1)
    turn = np.radians(25)
    axes = ((np.cos(turn), -np.sin(turn), 0.0), (np.sin(turn), np.cos(turn), 0.0), (0.0, 0.0, 1.0))
    center = Grid.from_image(volume.image).index_to_lps((84, 84, 260))
    box = Box(tuple(center), (40.0, 30.0, 50.0), axes)  # type: ignore[arg-type]
    _assert_only_the_box_changed(volume.image, generator.insert(volume, box, seed=5), box)


def test_of_tumors_that_are_drawn_again_a_comparison_takes_the_best(
    generator: TumorGenerator, phantom: sitk.Image
) -> None:
    site = Site("left thigh", "phantom", phantom, phantom_box("left thigh"))
    tries = [generator.insert(phantom, site.box, seed=seed, suv_factor=1) for seed in (1, 2000, 2001)]
    best = max(tries, key=lambda result: result.quality.total)
    assert len({result.quality.total for result in tries}) == len(tries)
    image, mask = Own(generator, TumorRequest(least_quality=1.0))(site, 1)
    for made, kept in ((image, best.image), (mask, best.mask)):
        np.testing.assert_array_equal(sitk.GetArrayViewFromImage(made), sitk.GetArrayViewFromImage(kept))
