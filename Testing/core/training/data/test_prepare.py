"""Public releases become training cases: one grid, SUV, a table; resumable, and nothing doubtful is taken."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import EDGE, SPACING_MM, write_case

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.prepare import COLUMNS, Prepared, check_before_preparing, prepare_cases
from TumorGenCore.training.data.release_layouts import PATIENT_PATTERNS, find_scans
from TumorGenCore.volumes.geometry import Grid

HOT = (12.0, -10.0, 4.0)


def write_scan(image: Path, mask: Path, center_mm: tuple[float, float, float] | None, seed: int = 0) -> None:
    """Writes a PET and its tumors under the names of a release; without a tumor the mask is empty."""
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_case(image.parent, "temporary", center_mm, seed)
    pet, tumors = (image.parent / f"temporary_{kind}.nii.gz" for kind in ("image", "mask"))
    if not tumors.exists():
        sitk.WriteImage(sitk.Cast(sitk.ReadImage(str(pet)) * 0, sitk.sitkUInt8), str(tumors))
    pet.rename(image)
    tumors.rename(mask)


def change(path: Path, by) -> None:
    sitk.WriteImage(by(sitk.ReadImage(str(path))), str(path))


def array(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def prepare(
    source: Path, output: Path, layout: str = "hecktor", maps: Path | None = None, on_progress=None
) -> Prepared:
    scans = find_scans(source, layout).scans
    check_before_preparing(scans, output, maps)
    output.mkdir(exist_ok=True)
    return prepare_cases(scans, source, output, maps, on_progress or (lambda done, total: None))


def table(output: Path) -> list[dict[str, str]]:
    with (output / "cases.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_hecktor(folder: Path, *cases: str) -> Path:
    for n, case in enumerate(cases):
        image, mask = folder / f"imagesTr/{case}__PT.nii.gz", folder / f"labelsTr/{case}.nii.gz"
        write_scan(image, mask, (12.0, -10.0, 4.0 + 8 * n), n)
    return folder


@pytest.fixture
def hecktor(tmp_path) -> Path:
    return write_hecktor(tmp_path / "hecktor", "CHUM-001", "CHUP-002")


@pytest.mark.parametrize("form", ["studies", "nnunet"])
def test_both_forms_of_autopet_become_cases_that_training_reads(tmp_path, form):
    source = tmp_path / form
    for patient, study, center in (
        ("0a", "01-01-2003-NA-PET-CT", HOT),
        ("0a", "02-01-2003-NA-CT  x", None),
        ("0b", "s", HOT),
    ):
        if form == "studies":
            place = source / f"FDG-PET-CT-Lesions/PETCT_{patient}/{study}"
            image, mask = place / "SUV.nii.gz", place / "SEG.nii.gz"
        else:
            case = f"fdg_{patient}_{study}"
            image, mask = source / f"imagesTr/{case}_0001.nii.gz", source / f"labelsTr/{case}.nii.gz"
        write_scan(image, mask, center)
    assert prepare(source, tmp_path / "cases", "autopet") == Prepared(made=3)
    cases = load_cases(tmp_path / "cases", patient_pattern=PATIENT_PATTERNS["autopet"])
    assert [case.name for case in cases] == ["fdg_0a_01-01-2003-NA-PET-CT", "fdg_0a_02-01-2003-NA-CT  x", "fdg_0b_s"]
    assert [case.patient for case in cases] == ["fdg_0a", "fdg_0a", "fdg_0b"]
    assert [len(case.lesions) for case in cases] == [1, 0, 1]
    assert np.allclose(cases[0].lesions[0].points_lps.mean(axis=0), HOT, atol=1.5)
    assert np.array_equal(sitk.GetArrayFromImage(cases[0].image), array(image))


def test_the_table_has_patients_sources_and_tumors(tmp_path, hecktor):
    mask = hecktor / "labelsTr/CHUP-002.nii.gz"
    one = array(mask) == 1

    def with_a_node(image: sitk.Image) -> sitk.Image:
        image[5, 20, 20] = 2
        return image

    change(mask, with_a_node)
    prepare(hecktor, tmp_path / "cases")
    first, second = table(tmp_path / "cases")
    assert tuple(first) == COLUMNS
    assert (second["case"], second["patient"]) == ("CHUP-002", "CHUP-002")
    assert (second["image_source"], second["mask_source"]) == (
        "imagesTr/CHUP-002__PT.nii.gz",
        "labelsTr/CHUP-002.nii.gz",
    )
    assert float(second["tumor_ml"]) == pytest.approx((one.sum() + 1) * SPACING_MM**3 / 1000, abs=1e-3)
    assert (first["lesions"], second["lesions"]) == ("1", "2")
    assert set(np.unique(array(tmp_path / "cases/CHUP-002_mask.nii.gz"))) == {0, 1}


def test_a_mask_on_the_finer_and_smaller_grid_of_the_ct_comes_onto_the_pet(tmp_path, hecktor):
    mask = hecktor / "labelsTr/CHUM-001.nii.gz"
    before = array(mask)
    low = -(EDGE - 1) / 2 * SPACING_MM
    ct = Grid((120, 120, 60), (1.0, 1.0, 2.0), (low + 20, low + 20, low + 20))
    change(
        mask,
        lambda image: sitk.Resample(image, ct.empty_image(sitk.sitkUInt8), sitk.Transform(), sitk.sitkNearestNeighbor),
    )
    prepare(hecktor, tmp_path / "cases")
    after = array(tmp_path / "cases/CHUM-001_mask.nii.gz")
    assert after.shape == before.shape
    assert 2 * (before * after).sum() / (before.sum() + after.sum()) > 0.95
    assert len(load_cases(tmp_path / "cases")[0].lesions) == 1


def moved(image: sitk.Image) -> sitk.Image:
    image.SetOrigin([value + 100 for value in image.GetOrigin()])
    return image


def in_bqml(image: sitk.Image) -> sitk.Image:
    return image * 5000


def specks(image: sitk.Image) -> sitk.Image:
    """A single tumor voxel of 0.2 mm, between the voxel centers of the PET."""
    grid = Grid((3, 3, 3), (0.2, 0.2, 0.2), (3.8, 3.8, 3.8))
    speck = np.zeros((3, 3, 3), dtype=np.uint8)
    speck[1, 1, 1] = 1
    return grid.image_from_array(speck)


@pytest.mark.parametrize(
    ("file", "spoil", "reason"),
    [
        ("imagesTr/CHUM-001__PT.nii.gz", in_bqml, "do not look like SUV"),
        ("labelsTr/CHUM-001.nii.gz", moved, "has tumor outside the PET"),
        ("labelsTr/CHUM-001.nii.gz", specks, "smaller than a voxel"),
    ],
)
def test_a_scan_that_cannot_be_used_is_left_out_with_its_reason(tmp_path, hecktor, file, spoil, reason):
    change(hecktor / file, spoil)
    result = prepare(hecktor, tmp_path / "cases")
    assert (result.made, [case for case, _ in result.left_out]) == (1, ["CHUM-001"])
    assert reason in result.left_out[0][1]
    assert sorted(path.name for path in (tmp_path / "cases").iterdir()) == [
        *("CHUP-002_image.nii.gz", "CHUP-002_mask.nii.gz", "cases.csv")
    ]


def test_a_truncated_file_is_left_out(tmp_path, hecktor):
    path = hecktor / "imagesTr/CHUM-001__PT.nii.gz"
    path.write_bytes(path.read_bytes()[:5000])
    result = prepare(hecktor, tmp_path / "cases")
    assert result.made == 1 and "damaged" in result.left_out[0][1]


# Again


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_a_second_run_keeps_what_is_there(tmp_path, hecktor):
    output = tmp_path / "cases"
    prepare(hecktor, output)
    before = {name: is_now for name, is_now in state(output).items() if name != "cases.csv"}
    assert prepare(hecktor, output) == Prepared(kept=2)
    assert {name: is_now for name, is_now in state(output).items() if name != "cases.csv"} == before
    assert len(table(output)) == 2


@pytest.mark.parametrize("what", ["image", "mask", "time", "output"])
def test_a_case_whose_files_changed_is_made_again(tmp_path, hecktor, what):
    output = tmp_path / "cases"
    prepare(hecktor, output)
    first = state(output)
    if what == "output":
        (output / "CHUM-001_mask.nii.gz").unlink()
    elif what == "time":
        os.utime(hecktor / "imagesTr/CHUM-001__PT.nii.gz", ns=(1, 1))
    else:
        path = hecktor / {"image": "imagesTr/CHUM-001__PT.nii.gz", "mask": "labelsTr/CHUM-001.nii.gz"}[what]
        change(path, lambda image: image * 2)
    result = prepare(hecktor, output)
    assert (result.made, result.kept) == (1, 1)
    now = state(output)
    assert now["CHUP-002_image.nii.gz"] == first["CHUP-002_image.nii.gz"]
    assert np.array_equal(array(output / "CHUM-001_image.nii.gz"), array(hecktor / "imagesTr/CHUM-001__PT.nii.gz"))
    assert prepare(hecktor, output) == Prepared(kept=2)


def test_a_stopped_run_leaves_whole_cases_and_goes_on(tmp_path, hecktor):
    output = tmp_path / "cases"

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(hecktor, output, on_progress=stop)
    assert [row["case"] for row in table(output)] == ["CHUM-001"]
    assert len(load_cases(output)) == 1
    assert prepare(hecktor, output) == Prepared(made=1, kept=1)


def test_a_run_killed_in_the_middle_of_a_case_leaves_none_of_it(tmp_path, hecktor, at_rename):
    def kill() -> None:
        raise KeyboardInterrupt

    output = tmp_path / "cases"
    at_rename += [lambda: None, lambda: None, kill]  # the empty table, the first mask, the first image
    with pytest.raises(KeyboardInterrupt):
        prepare(hecktor, output)
    assert [path.name for path in output.iterdir()] == ["cases.csv"]
    assert prepare(hecktor, output) == Prepared(made=2)


def test_a_case_whose_new_files_cannot_be_used_says_that_the_former_is_there(tmp_path, hecktor):
    output = tmp_path / "cases"
    prepare(hecktor, output)
    change(hecktor / "imagesTr/CHUM-001__PT.nii.gz", in_bqml)
    result = prepare(hecktor, output)
    assert result.kept == 1 and result.left_out[0][1].endswith("The case of an earlier run is still there.")


# The folder of the cases


def test_a_folder_with_other_files_or_cases_is_refused(tmp_path, hecktor):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").touch()
    with pytest.raises(TrainingDataError, match="holds other files"):
        prepare(hecktor, other)
    (other / "cases.csv").write_text("name,seed\nA,1\n")
    with pytest.raises(TrainingDataError, match="not a table of `tumorgen prepare`"):
        prepare(hecktor, other)
    prepare(hecktor, tmp_path / "cases")
    with pytest.raises(TrainingDataError, match="1 cases that this run does not make, CHUM-001 among them"):
        prepare(write_hecktor(tmp_path / "less", "CHUP-002"), tmp_path / "cases")


# Lungs


def test_the_lung_crop_cuts_image_and_mask_alike(tmp_path):
    grid = Grid((210, 204, 120), (2.0, 2.0, 3.0), (-209.0, -203.0, 0.0))
    source, maps = tmp_path / "release", tmp_path / "maps"
    image, mask = source / "imagesTr/A__PT.nii.gz", source / "labelsTr/A.nii.gz"
    suv, tumor, lobes = (
        np.zeros((120, 204, 210), np.float32),
        np.zeros((120, 204, 210), np.uint8),
        np.zeros((120, 204, 210), np.uint8),
    )
    suv[:, 30:170, 30:180] = 1
    tumor[70:76, 100:106, 110:116] = 1
    suv[tumor > 0] = 9
    lobes[40:100, 60:140, 60:150] = 11
    for path, values in ((image, suv), (mask, tumor), (maps / "A.nii.gz", lobes)):
        path.parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(grid.image_from_array(values), str(path))
    assert prepare(source, tmp_path / "cases", maps=maps) == Prepared(made=1)
    (case,) = load_cases(tmp_path / "cases")
    assert case.image.GetSize() == (200, 200, 100)
    assert np.allclose(case.lesions[0].points_lps.mean(axis=0), grid.index_to_lps((112.5, 102.5, 72.5)), atol=1e-3)
    assert sitk.GetArrayFromImage(case.image)[sitk.GetArrayFromImage(case.mask) > 0].tolist() == [9.0] * 216
    # Without the crop, or with another map, the case is another one.
    assert prepare(source, tmp_path / "cases") == Prepared(made=1)
    assert array(tmp_path / "cases/A_image.nii.gz").shape == (120, 204, 210)


def test_scans_shorter_than_the_window_are_told_once_for_all(tmp_path, hecktor):
    for case in ("CHUM-001", "CHUP-002"):
        image = sitk.ReadImage(str(hecktor / f"imagesTr/{case}__PT.nii.gz"))
        (tmp_path / "maps").mkdir(exist_ok=True)
        sitk.WriteImage(sitk.Cast(image > 0.5, sitk.sitkUInt8) * 10, str(tmp_path / f"maps/{case}.nii.gz"))
    result = prepare(hecktor, tmp_path / "cases", maps=tmp_path / "maps")
    assert result.remarks["The scan has 40 voxels along k, fewer than 100, and is kept whole there."] == 2


def test_what_is_odd_in_the_files_is_told_once_for_all_without_their_names(tmp_path, hecktor):
    for case in ("CHUM-001", "CHUP-002"):
        path = str(hecktor / f"imagesTr/{case}__PT.nii.gz")
        nifti = nibabel.load(path)
        nifti.set_qform(np.diag([3.0, 3.0, 3.0, 1.0]), code=1)
        nifti.set_sform(nifti.affine, code=2)
        nibabel.save(nibabel.Nifti1Image(np.asarray(nifti.dataobj), None, nifti.header), path)
    ((remark, count),) = prepare(hecktor, tmp_path / "cases").remarks.items()
    assert remark.startswith("A file contradicts itself") and "was taken" in remark and "CHU" not in remark
    assert count == 2


def test_a_missing_lung_map_is_refused_before_any_work(tmp_path, hecktor):
    with pytest.raises(TrainingDataError, match="no lung map of 2 of 2 cases, CHUM-001 among them"):
        prepare(hecktor, tmp_path / "cases", maps=tmp_path)
    assert not (tmp_path / "cases").exists()
