"""The truth table says what the final voxels hold, lesion by lesion, and the increment is after minus before."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import (
    Box,
    InvalidRequestError,
    TumorGenerator,
    TumorRequest,
    Variant,
    VariantRun,
    truth_table,
    write_truth_table,
)
from TumorGenCore.insertion.truth_columns import COLUMNS, TEXTS
from TumorGenCore.volumes.person import Person
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume

BOXES = Box((34.0, 38.0, 38.0), (36.0, 32.0, 32.0)), Box((54.0, 38.0, 38.0), (36.0, 32.0, 32.0))
SPACING = (4.0, 4.5, 5.0)
FACTOR = 0.002


def scan(voxel_type: type) -> PetVolume:
    """A scan in Bq/ml around SUV 1, in oblique voxels."""
    suv = np.random.default_rng(0).gamma(4.0, 0.25, (18, 20, 24))
    image = sitk.GetImageFromArray((suv / FACTOR).astype(voxel_type))
    image.SetSpacing(SPACING)
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, 1))
    return PetVolume(image, PetUnits("BQML", FACTOR, "dicom tags"))


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.fixture(scope="module")
def volume() -> PetVolume:
    return scan(np.int16)


@pytest.fixture(scope="module")
def variant(generator: TumorGenerator, volume: PetVolume) -> Variant:
    """Two tumors in boxes that overlap, in a scan of whole numbers."""
    request = TumorRequest(steps=1, suv_max=8)
    run = VariantRun(generator, generator.prepare(volume, BOXES[0]), request, [2], more_boxes=BOXES[1:])
    (variant,) = run
    return variant


@pytest.fixture(scope="module")
def lesions(variant: Variant) -> list[np.ndarray]:
    """The mask of each lesion on the whole grid."""
    masks = []
    for segment in variant.segments:
        whole = np.zeros(variant.image.GetSize()[::-1], bool)
        whole[segment.region] = segment.mask > 0
        masks.append(whole)
    return masks


def test_each_lesion_has_a_row_of_all_columns_and_none_counts_the_other(variant, volume, lesions):
    rows = truth_table([variant])
    after, before = (sitk.GetArrayFromImage(image) * FACTOR for image in (variant.image, volume.image))
    assert [row["lesion"] for row in rows] == [1, 2] and [list(row) for row in rows] == [list(COLUMNS)] * 2
    for row, mask in zip(rows, lesions, strict=True):
        near = {"rel": 1e-5}
        assert row["suv_max"] == pytest.approx(after[mask].max(), **near)
        assert row["suv_mean"] == pytest.approx(after[mask].mean(), **near)
        assert row["suv_sd"] == pytest.approx(after[mask].std(), **near)
        assert row["baseline_suv_mean"] == pytest.approx(before[mask].mean(), **near)
        assert row["volume_ml"] == pytest.approx(mask.sum() * math.prod(SPACING) / 1000, **near)
        assert row["fill"] == pytest.approx(row["volume_ml"] / 36.864, **near)
        assert row["equivalent_diameter_mm"] == pytest.approx((6000 * row["volume_ml"] / math.pi) ** (1 / 3), **near)
        assert row["total_activity_bq"] == pytest.approx(
            (after[mask] / FACTOR).sum() * math.prod(SPACING) / 1000, **near
        )
        assert row["activity_mean_bq_per_ml"] == pytest.approx(after[mask].mean() / FACTOR, **near)
        assert row["target_activity_bq_per_ml"] == pytest.approx(8 / FACTOR)
        assert (row["intensity_mode"], row["intensity_value"], row["target_measure"]) == ("suv_max", 8, "max")
        assert row["intensity_reached"] == row["suv_max"] and json.loads(row["request"])["suv_max"] == 8
        assert (row["size_mode"], row["size_value"], row["size_reached"]) == ("drawn", None, None)
        assert row["axis_long_mm"] >= row["axis_middle_mm"] >= row["axis_short_mm"] > 0


def test_the_background_is_the_shell_from_5_to_15_mm_without_other_lesions(variant, volume, lesions):
    after, before = (sitk.GetArrayFromImage(image) * FACTOR for image in (variant.image, volume.image))
    points = np.argwhere(np.ones(after.shape, bool)) * np.array(SPACING[::-1])
    for n, row in enumerate(truth_table([variant])):
        marked = np.argwhere(lesions[n]) * np.array(SPACING[::-1])
        distance = np.sqrt(((points[:, None] - marked) ** 2).sum(-1)).min(axis=1).reshape(after.shape)
        shell = (distance > 5) & (distance <= 15) & ~lesions[1 - n]
        assert ((distance > 5) & (distance <= 15) & lesions[1 - n]).any()  # the other lesion is that near
        assert row["background_voxels"] == shell.sum()
        for column, expected in (
            ("background_suv_mean", after[shell].mean()),
            ("background_suv_sd", after[shell].std()),
            ("background_suv_min", after[shell].min()),
            ("background_suv_max", after[shell].max()),
            ("baseline_background_suv_mean", before[shell].mean()),
            ("lesion_to_background", after[lesions[n]].mean() / after[shell].mean()),
        ):
            assert row[column] == pytest.approx(expected, rel=1e-5)


def test_positions_are_those_of_the_image(variant, lesions):
    after = sitk.GetArrayFromImage(variant.image)
    for row, mask in zip(truth_table([variant]), lesions, strict=True):
        center = np.argwhere(mask).mean(axis=0)[::-1]
        assert [row[f"center_voxel_{axis}"] for axis in "ijk"] == pytest.approx(center, rel=1e-5)
        lps = variant.image.TransformContinuousIndexToPhysicalPoint(center.tolist())
        assert [row[f"center_lps_mm_{axis}"] for axis in "xyz"] == pytest.approx(lps, rel=1e-5)
        hottest = tuple(row[f"suv_max_voxel_{axis}"] for axis in "ijk")
        assert mask[hottest[::-1]] and after[hottest[::-1]] == after[mask].max()
        lps = variant.image.TransformIndexToPhysicalPoint(hottest)
        assert [row[f"suv_max_lps_mm_{axis}"] for axis in "xyz"] == pytest.approx(lps)


def test_what_is_not_known_is_empty_and_a_person_is_only_where_the_caller_gives_one(variant, tmp_path):
    someone = Person(63.0, "F", 1.7, 65.0, 250.0)
    rows = truth_table([variant], person=someone, patient="case 1", simulation="case 1_2", image="a.nrrd")
    write_truth_table(rows, tmp_path / "t.csv")
    write_truth_table(truth_table([variant]), tmp_path / "t.json")
    with (tmp_path / "t.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == list(COLUMNS)
    assert (written[1]["patient"], written[1]["sex"], written[1]["age_years"]) == ("case 1", "F", "63.0")
    assert written[0]["reference_suv"] == "" and written[0]["quality_passes"] in ("0", "1")
    table = json.loads((tmp_path / "t.json").read_text())
    assert table["statement"] == table["lesions"][0]["statement"] == "Synthetic, not for diagnosis"
    assert table["columns"] == COLUMNS
    for row in table["lesions"]:
        assert all(row[name] is None for name in ("sex", "age_years", "weight_kg", "image", "reference_suv"))
        assert row["patient"].startswith("synthetic-")
        assert {name for name, value in row.items() if isinstance(value, str)} <= TEXTS | {"seed"}
    record = json.dumps(variant.provenance)
    assert not any(word in record for word in ("63.0", "250.0", "weight"))


@pytest.mark.parametrize(
    ("size", "reached"), [("fill", "fill"), ("volume_ml", "volume_ml"), ("diameter_mm", "equivalent_diameter_mm")]
)
@pytest.mark.parametrize("ratio", ["to_background", "to_reference"])
def test_ratios_and_sizes_are_what_was_asked_what_it_means_here_and_what_is_there(variant, size, reached, ratio):
    asked = {size: {"fill": 0.1, "volume_ml": 4.0, "diameter_mm": 20.0}[size], ratio: 3.0}
    if ratio == "to_reference":
        asked |= {"reference_suv": 2.0, "reference": "liver"}
    tumor = dataclasses.replace(variant.tumors[0], request=TumorRequest(steps=1, **asked))
    (row,) = truth_table([Variant((tumor,), 0.0)])
    of = tumor.prepared.tissue_suv if ratio == "to_background" else 2.0
    assert (row["intensity_mode"], row["intensity_value"], row["target_measure"]) == (ratio, 3.0, "mean")
    assert row["target_suv"] == pytest.approx(3 * of, rel=1e-5)
    assert row["intensity_reached"] == pytest.approx(row["suv_mean"] / of, rel=1e-5)
    assert row["box_tissue_suv"] == pytest.approx(tumor.prepared.tissue_suv, rel=1e-5)
    assert row["reference_activity_bq_per_ml"] == (None if ratio == "to_background" else 2.0 / FACTOR)
    assert (row["size_mode"], row["size_value"]) == (size, asked[size])
    assert row["size_reached"] == pytest.approx(row[reached], rel=1e-5)
    volume = {"fill": 3.6864, "volume_ml": 4.0, "diameter_mm": 4.18879}[size]
    assert row["target_volume_ml"] == pytest.approx(volume, rel=1e-5)


def test_a_tumor_without_voxels_has_a_row_too(generator, volume):
    tumor = generator.insert(volume, BOXES[0], TumorRequest(steps=1), seed=1)
    (row,) = truth_table([Variant((tumor.with_mask_threshold(0.999999),), 0.0)])
    assert row["volume_ml"] == row["voxels"] == row["background_voxels"] == 0
    assert row["suv_max"] is row["center_voxel_i"] is row["suv_max_lps_mm_x"] is row["lesion_to_background"] is None
    assert "adjusted" in json.loads(row["request"])


def test_units_that_are_no_activity_give_none(generator):
    image = scan(np.float32).image * FACTOR
    made = generator.insert(image, BOXES[0], TumorRequest(steps=1), seed=1, suv_factor=1)
    (row,) = truth_table([Variant((made,), 0.0)])
    assert row["activity_mean_bq_per_ml"] is row["total_activity_bq"] is None and row["suv_mean"] > 0
    assert (row["intensity_mode"], row["target_suv"]) == ("drawn", None)


def test_a_path_that_cannot_be_written_is_named(variant, tmp_path):
    with pytest.raises(InvalidRequestError, match=r"\.csv or \.json"):
        write_truth_table(truth_table([variant]), tmp_path / "t.xlsx")
    with pytest.raises(OSError, match="no folder"):
        write_truth_table(truth_table([variant]), tmp_path / "none" / "t.csv")


@pytest.mark.parametrize("voxel_type", [np.int16, np.float32])
def test_scan_and_increment_are_the_synthetic_image(generator, voxel_type):
    volume = scan(voxel_type)
    run = VariantRun(
        generator, generator.prepare(volume, BOXES[0]), TumorRequest(steps=1, suv_max=9), [3], more_boxes=BOXES[1:]
    )
    (variant,) = run
    before, after = (sitk.GetArrayFromImage(image) for image in (volume.image, variant.image))
    native, suv = (variant.increment(units) for units in ("scan", "suv"))
    for image in (native, suv):
        assert image.GetDirection() == volume.image.GetDirection() and image.GetOrigin() == volume.image.GetOrigin()
    added = sitk.GetArrayFromImage(native)
    np.testing.assert_array_equal((before + added).astype(voxel_type), after)
    assert sitk.GetArrayFromImage(suv).dtype == np.float32
    np.testing.assert_allclose(sitk.GetArrayFromImage(suv), added * FACTOR, rtol=1e-6)
    outside = ~(BOXES[0].mask(variant.tumors[0].prepared.grid) | BOXES[1].mask(variant.tumors[0].prepared.grid))
    assert added.any() and not added[outside].any()


def test_a_single_tumor_has_its_increment_and_other_units_are_refused(generator, volume):
    tumor = generator.insert(volume, BOXES[0], TumorRequest(steps=1), seed=1)
    added = sitk.GetArrayFromImage(tumor.increment("scan"))
    np.testing.assert_array_equal(
        added, sitk.GetArrayFromImage(tumor.image).astype(float) - sitk.GetArrayFromImage(volume.image)
    )
    with pytest.raises(InvalidRequestError, match="'bq'"):
        tumor.increment("bq")
