"""Training cases: files become cases, patients stay on one side of the split, and errors name the problem."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import write_case

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.agreement import ranking
from TumorGenCore.training.data.cases import Case, lesion_mask, load_cases, split_patients
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.write import write_segmentation, write_volume

PATIENT = r"^(P\d)"


@pytest.fixture(scope="module")
def cases(tiny_cases) -> list[Case]:
    return load_cases(tiny_cases, patient_pattern=PATIENT)


def change_format(path: Path, suffix: str) -> None:
    """Writes a .nii.gz file in another format, and removes it."""
    image = sitk.ReadImage(str(path))
    path.unlink()
    write = write_segmentation if suffix == ".seg.nrrd" else write_volume
    write(image, path.with_name(path.name.replace(".nii.gz", suffix)))


def nearest_mm(points: np.ndarray, to: np.ndarray) -> float:
    return min(float(np.linalg.norm(points - point, axis=1).min()) for point in to)


def test_images_pair_with_their_masks_in_subfolders_too(cases):
    assert [case.name for case in cases] == ["P1-a", "P1-b", "P2", "P3", "P4"]
    assert [case.patient for case in cases] == ["P1", "P1", "P2", "P3", "P4"]
    assert [len(case.lesions) for case in cases] == [1, 1, 1, 1, 0]
    for case, center in zip(cases, [(-30, 10, 40), (-28, 12, 30), (25, -20, -40), (0, 30, 0)], strict=False):
        assert np.allclose(case.lesions[0].points_lps.mean(axis=0), center, atol=1.5)


def test_hidden_files_and_files_in_hidden_folders_are_no_cases(tmp_path):
    write_case(tmp_path, "A", (0.0, 0.0, 0.0))
    write_case(tmp_path, ".d41d8cd98f00b204e9800998ecf8427e-B", None)  # of a killed run
    write_case(tmp_path, "._A", None)  # of macOS
    (tmp_path / ".Trash").mkdir()
    write_case(tmp_path / ".Trash", "C", None)
    assert [case.name for case in load_cases(tmp_path)] == ["A"]
    # The folder itself may lie in a hidden one.
    assert [case.name for case in load_cases(tmp_path / ".Trash")] == ["C"]


@pytest.mark.parametrize("image", [".nii.gz", ".nii", ".nrrd", ".mha", ".NII.GZ"])
@pytest.mark.parametrize("mask", [".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd"])
def test_image_and_mask_pair_by_their_names_whatever_their_formats(tmp_path, image, mask):
    write_case(tmp_path, "A", (20.0, -10.0, 4.0))
    marked = int(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "A_mask.nii.gz"))).sum())
    for kind, suffix in (("image", image), ("mask", mask)):
        change_format(tmp_path / f"A_{kind}.nii.gz", suffix)
    (case,) = load_cases(tmp_path)
    assert (case.name, len(case.lesions)) == ("A", 1)
    assert int(sitk.GetArrayFromImage(case.mask).sum()) == marked > 0
    assert np.allclose(case.lesions[0].points_lps.mean(axis=0), (20, -10, 4), atol=1.5)


def test_a_hidden_mask_and_the_mask_of_another_case_are_not_taken(tmp_path):
    write_case(tmp_path, "A", None)
    write_case(tmp_path, "B", (0.0, 0.0, 0.0))
    (tmp_path / "B_mask.nii.gz").rename(tmp_path / "._A_mask.nii.gz")
    shutil.copy(tmp_path / "._A_mask.nii.gz", tmp_path / "AA_mask.nii.gz")
    assert [len(case.lesions) for case in load_cases(tmp_path)] == [0, 0]


@pytest.mark.parametrize("suffix", [".nii", ".seg.nrrd"])
def test_two_masks_of_one_image_are_refused(tmp_path, suffix):
    write_case(tmp_path, "A", (0.0, 0.0, 0.0))
    shutil.copy(tmp_path / "A_mask.nii.gz", tmp_path / "kept.nii.gz")
    change_format(tmp_path / "A_mask.nii.gz", suffix)
    shutil.copy(tmp_path / "kept.nii.gz", tmp_path / "A_mask.nii.gz")
    with pytest.raises(TrainingDataError, match=r"A_image.nii.gz has 2 masks, A_mask\..* and A_mask\..*; keep one"):
        load_cases(tmp_path)


def test_two_images_of_one_case_are_refused_even_in_two_formats(tmp_path):
    write_case(tmp_path, "A", None)
    change_format(tmp_path / "A_image.nii.gz", ".mha")
    write_case(tmp_path, "A", None)
    with pytest.raises(TrainingDataError, match=r"Two images of a case A were found, A_image.mha and A_image.nii.gz"):
        load_cases(tmp_path)


def test_only_the_named_cases_are_read(tiny_cases):
    assert [case.name for case in load_cases(tiny_cases, ["P3", "P2"])] == ["P2", "P3"]


def test_lesion_knows_its_volume_and_a_hot_ball_has_full_contrast(cases):
    lesion = cases[2].lesions[0]
    assert lesion.volume_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.1)
    assert lesion.contrast == 1.0


def test_a_lesion_gives_its_voxels_back(cases):
    case = next(c for c in cases if c.name == "P2")
    mask = sitk.GetArrayFromImage(case.mask) > 0
    assert np.array_equal(lesion_mask(case.lesions[0], Grid.from_image(case.image)), mask)


def test_contrast_is_the_chance_of_being_hotter():
    rng = np.random.default_rng(0)
    same, other = rng.normal(size=400), rng.normal(size=500)
    assert ranking(same, other) == pytest.approx((same[:, None] > other).mean())
    assert ranking(np.zeros(5), np.zeros(7)) == 0.5
    assert ranking(np.zeros(5), np.ones(7)) == 0.0


def test_specks_are_no_lessons(tiny_cases):
    assert load_cases(tiny_cases, ["P2"], least_ml=8.0)[0].lesions == ()


def test_healthy_points_lie_in_the_body_away_from_tumors(cases):
    for case in cases[:4]:
        assert nearest_mm(case.healthy_lps, case.lesions[0].points_lps) > 30
        assert 0 < len(case.healthy_lps) < len(case.body_lps)
        assert np.hypot(case.body_lps[:, 0], case.body_lps[:, 1]).max() < 75
    assert len(cases[4].healthy_lps) == len(cases[4].body_lps) > 0


def test_excluded_regions_are_not_healthy_but_stay_in_the_body(tiny_cases, cases):
    box = [-10000, 10000, -10000, 0, -20, 20]
    case = load_cases(tiny_cases, patient_pattern=PATIENT, exclude_lps_mm={"P4": [box]})[4]
    x, y, z = case.healthy_lps.T
    assert not np.any((y <= 0) & (np.abs(z) <= 20))
    removed = (cases[4].body_lps[:, 1] <= 0) & (np.abs(cases[4].body_lps[:, 2]) <= 20)
    assert len(x) == len(cases[4].healthy_lps) - np.count_nonzero(removed)
    assert len(case.body_lps) == len(cases[4].body_lps)


def people(count: int, scans: int = 2) -> list[Case]:
    nothing = np.zeros((0, 3))
    image = sitk.Image(2, 2, 2, sitk.sitkFloat32)
    return [
        Case(f"{p}-{s}", f"patient {p}", image, image, (), nothing, nothing) for p in range(count) for s in range(scans)
    ]


def sides(cases: list[Case], seed: int, share: float = 0.3) -> tuple[set[str], set[str]]:
    training, held_out = split_patients(cases, share, seed)
    return {case.patient for case in training}, {case.patient for case in held_out}


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_on_both_sides_and_none_is_lost(seed):
    training, held_out = split_patients(people(20), 0.3, seed)
    assert not {case.patient for case in training} & {case.patient for case in held_out}
    assert len(training) + len(held_out) == 40
    assert len(held_out) == 12


def test_split_depends_on_the_seed_and_on_nothing_else():
    cases = people(20)
    assert sides(cases, 1) == sides(cases[::-1], 1)
    assert len({frozenset(sides(cases, seed)[1]) for seed in range(5)}) > 1


@pytest.mark.parametrize("seed", range(5))
def test_an_added_patient_moves_at_most_one_other(seed):
    for count in range(8, 20):
        before, after = sides(people(count), seed)[1], sides(people(count + 1), seed)[1]
        moved = (before ^ after) - {f"patient {count}"}
        assert len(moved) <= 1


def test_patients_that_always_train_are_never_held_out():
    names = ["patient 3", "patient 4", "patient 5"]
    for seed in range(5):
        training, held_out = split_patients(people(8), 0.5, seed, names)
        assert set(names) <= {case.patient for case in training}
        assert len({case.patient for case in held_out}) == round(0.5 * 5)


# Errors


def rewrite(path: Path, change) -> None:
    sitk.WriteImage(change(sitk.ReadImage(str(path))), str(path))


def shifted(image: sitk.Image) -> sitk.Image:
    image.SetOrigin([value + 4 for value in image.GetOrigin()])
    return image


def respaced(image: sitk.Image) -> sitk.Image:
    image.SetSpacing((4.0, 4.0, 3.0))
    return image


def turned(image: sitk.Image) -> sitk.Image:
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, 1))
    return image


def cropped(image: sitk.Image) -> sitk.Image:
    return image[:-1, :, :]


@pytest.mark.parametrize("change", [shifted, respaced, turned, cropped])
def test_mask_off_the_grid_of_its_image_is_refused(tmp_path, change):
    write_case(tmp_path, "P1", (0.0, 0.0, 0.0))
    rewrite(tmp_path / "P1_mask.nii.gz", change)
    with pytest.raises(TrainingDataError, match=r"P1_mask.nii.gz does not lie on the grid of P1_image.nii.gz"):
        load_cases(tmp_path)


def test_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(TrainingDataError, match="No image of a case was found"):
        load_cases(tmp_path)
    with pytest.raises(TrainingDataError, match="No image of a case was found"):
        load_cases(tmp_path / "missing")


def test_two_cases_of_one_name_are_refused(tmp_path):
    (tmp_path / "again").mkdir()
    write_case(tmp_path, "P1", None)
    write_case(tmp_path / "again", "P1", None)
    with pytest.raises(
        TrainingDataError, match=r"Two images of a case P1 were found, P1_image\.nii\.gz and P1_image\.nii\.gz"
    ):
        load_cases(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_are_refused(tmp_path, value):
    write_case(tmp_path, "P1", None)

    def spoilt(image: sitk.Image) -> sitk.Image:
        image[3, 4, 5] = float(value)
        return image

    rewrite(tmp_path / "P1_image.nii.gz", spoilt)
    with pytest.raises(TrainingDataError, match=r"P1_image\.nii\.gz .*NaN or Inf"):
        load_cases(tmp_path)


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_truncated_files_are_refused(tmp_path, kind):
    write_case(tmp_path, "P1", (0.0, 0.0, 0.0))
    path = tmp_path / f"P1_{kind}.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TrainingDataError, match=f"{path.name} cannot be read"):
        load_cases(tmp_path)


def test_names_that_no_file_has_are_refused(tiny_cases):
    with pytest.raises(TrainingDataError, match=r"\['P9'\]"):
        load_cases(tiny_cases, ["P2", "P9"])
    with pytest.raises(TrainingDataError, match=r"\['P5'\]"):
        load_cases(tiny_cases, exclude_lps_mm={"P5": [[0, 1, 0, 1, 0, 1]]})


def test_pattern_that_finds_no_patient_is_refused(tiny_cases):
    with pytest.raises(TrainingDataError, match="'P2'"):
        load_cases(tiny_cases, ["P2"], patient_pattern=r"^(Q\d)")
