"""Thumbnails of training lesions: they recognize copies but not new lesions, and the file is small and checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from lesions import SPACING_MM, lumpy_lesion
from safetensors.numpy import save_file
from scipy import ndimage
from scipy.spatial.transform import Rotation
from small_cases import write_case

from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.cli import main
from TumorGenCore.lesions.thumbnails import MOST_LESIONS, TrainingLesions, thumbnail
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.lesion_thumbnails import describe_training_lesions


@pytest.fixture(scope="module")
def lesions() -> TrainingLesions:
    frames = np.stack([thumbnail(*lumpy_lesion(n), SPACING_MM) for n in range(20)])
    return TrainingLesions(frames, np.arange(20, dtype=np.int32))


def moved(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A lesion rotated by an odd angle, reflected, smaller, and twice as hot."""
    suv, mask = lumpy_lesion(number)
    matrix = Rotation.from_euler("xyz", [35, 20, 50], degrees=True).as_matrix() @ np.diag([1, 1, -1]) * 1.15
    offset = 21.5 - matrix @ np.full(3, 21.5)
    suv = ndimage.affine_transform(2 * suv, matrix, offset, order=1, mode="nearest")
    return suv, ndimage.affine_transform(mask.astype(float), matrix, offset, order=1) > 0.5


def test_a_copy_is_near_to_one_lesion_however_it_lies(lesions):
    for number in (4, 11):
        same, turned = (lesions.nearest(*copy, SPACING_MM) for copy in (lumpy_lesion(number), moved(number)))
        assert same.distance == pytest.approx(0, abs=1e-4)
        assert turned.distance < 0.5 * lesions.usual.distance
        assert turned.ratio < 0.5 * lesions.usual.ratio


def test_new_lesions_are_as_far_as_training_lesions_are_from_each_other(lesions):
    found = [lesions.nearest(*lumpy_lesion(n), SPACING_MM) for n in range(100, 110)]
    assert min(neighbor.distance for neighbor in found) > 0.75 * lesions.usual.distance
    assert min(neighbor.ratio for neighbor in found) > 0.75 * lesions.usual.ratio


def test_lesions_of_one_patient_do_not_tell_how_alike_patients_are(lesions):
    twice = TrainingLesions(np.concatenate([lesions.frames] * 2), np.concatenate([lesions.patients] * 2))
    assert twice.usual.distance == pytest.approx(lesions.usual.distance, abs=1e-4)
    assert twice.usual.ratio == pytest.approx(lesions.usual.ratio, abs=1e-4)


def test_the_file_keeps_all_and_stays_small(lesions, tmp_path):
    many = np.random.default_rng(0).integers(0, 256, (MOST_LESIONS, 12, 12, 12)).astype(np.uint8)
    whole = TrainingLesions(many, np.arange(MOST_LESIONS, dtype=np.int32))
    whole.save(tmp_path / "whole.safetensors")
    assert (tmp_path / "whole.safetensors").stat().st_size < 500_000
    again = TrainingLesions.load(tmp_path / "whole.safetensors")
    np.testing.assert_array_equal(again.frames, whole.frames)
    np.testing.assert_array_equal(again.patients, whole.patients)
    assert again.traits is None
    traits = np.random.default_rng(0).normal(size=(MOST_LESIONS, 3)).astype(np.float32)
    TrainingLesions(many, whole.patients, traits).save(tmp_path / "traits.safetensors")
    assert (tmp_path / "traits.safetensors").stat().st_size < 500_000
    np.testing.assert_array_equal(TrainingLesions.load(tmp_path / "traits.safetensors").traits, traits)


@pytest.mark.parametrize(
    ("frames", "patients", "word"),
    [
        (np.zeros((4, 12, 12, 12), np.float32), np.arange(4), "float32"),
        (np.zeros((4, 10, 10, 10), np.uint8), np.arange(4), "10, 10, 10"),
        (np.zeros((4, 12, 12, 12), np.uint8), np.arange(5), "patients"),
        (np.zeros((4, 12, 12, 12), np.uint8), np.array([0, 0, 1, 1]), "fewer than 3"),
    ],
)
def test_what_is_no_set_of_thumbnails_is_refused(frames, patients, word):
    with pytest.raises(ValueError, match=word):
        TrainingLesions(frames, patients)


def test_a_file_with_unknown_values_is_refused(lesions, tmp_path):
    values = {"frames": lesions.frames, "patients": lesions.patients, "trait": np.zeros((20, 3), np.float32)}
    save_file(values, tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match="holds no thumbnails"):
        TrainingLesions.load(tmp_path / "odd.safetensors")


@pytest.mark.parametrize(
    ("traits", "word"),
    [
        (np.zeros((4, 3)), "float64"),
        (np.zeros((4, 2), np.float32), r"\(4, 2\)"),
        (np.zeros((3, 3), np.float32), r"\(3, 3\)"),
        (np.array([[np.nan, 0.7, 0.1]] * 4, np.float32), "no volume"),
    ],
)
def test_what_are_no_traits_is_refused(traits, word):
    with pytest.raises(ValueError, match=word):
        TrainingLesions(np.zeros((4, 12, 12, 12), np.uint8), np.arange(4, dtype=np.int32), traits)


def test_cases_are_described_by_patient_and_without_names(tiny_cases, tmp_path):
    cases = load_cases(tiny_cases, patient_pattern=r"^(P\d)")
    lesions = describe_training_lesions(cases)
    assert lesions is not None
    # P1 has two scans, P4 no tumor; the largest of each patient first, then the others.
    assert lesions.patients.tolist() == [0, 1, 2, 0]
    assert (lesions.frames > 0).mean() > 0.3
    largest = [max(case.lesions, key=lambda lesion: lesion.volume_ml) for case in cases if case.lesions]
    assert lesions.traits is not None and lesions.traits.shape == (4, 3)
    for (log_volume, solidity, _), lesion in zip(lesions.traits[1:3], largest[2:], strict=True):
        assert 0.5 < np.exp(log_volume) / lesion.volume_ml <= 1.01  # the PET-avid part of the contour
        assert 0.5 < solidity <= 1
    lesions.save(tmp_path / "l.safetensors")
    assert b"P1" not in (tmp_path / "l.safetensors").read_bytes()


def test_few_patients_are_not_described(tmp_path):
    for n in range(2):
        write_case(tmp_path, f"A{n}", (0.0, 0.0, 0.0), n)
    assert describe_training_lesions(load_cases(tmp_path)) is None


def test_a_bundle_that_lacks_thumbnails_gets_those_of_its_training_cases(tiny_cases, tiny_bundle_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_bundle_folder, tmp_path / "mine"))
    command = ["train", "lesions", "--quiet", "--model", str(folder), "--data", str(tiny_cases)]
    assert main(command) == 1  # its metadata names no case
    file = folder / "configs" / "metadata.json"
    metadata = json.loads(file.read_text())
    metadata["tumorgen"]["notes"]["cases"] = {"training": ["P1-a", "P2", "P3", "P4", "gone"], "validation": ["P1-b"]}
    file.write_text(json.dumps(metadata))
    assert main(command) == 0
    lesions = load_bundle(folder).training_lesions
    assert lesions is not None
    assert len(lesions.frames) == 3
