"""`--truth`, `--output-increment` and `--ct` of `insert` and `again`."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from command_cases import assert_one_line, provenance, voxels
from dicom_slices import disagreeing_clocks, write_slice
from full_disk import file_size_limit

from TumorGenCore.cli import main


@pytest.fixture
def ct(pet: Path, tmp_path: Path) -> Path:
    """A CT of another grid in the space of the PET."""
    image = sitk.Cast(sitk.ReadImage(str(pet)) * 100 - 1000, sitk.sitkInt16)[::2, ::2, ::2]
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    return tmp_path / "ct.nii.gz"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_table_has_all_variants_and_names_their_images(insert, out, capsys):
    assert insert("--variants", "2", "--least-quality", "0", "--truth", str(out / "truth.csv"), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["truth"] == str(out / "truth.csv")
    table = rows(out / "truth.csv")
    assert sorted(row["image"] for row in table) == ["case-seed0.nrrd", "case-seed1.nrrd"]
    for row, variant in zip(table, report["variants"], strict=True):
        assert int(row["seed"]) == variant["seed"]
        assert float(row["suv_max"]) == pytest.approx(variant["suv_max"], rel=1e-6)
        assert row["sex"] == row["weight_kg"] == ""
    assert insert("--truth", str(out / "truth.json")) == 0
    (lesion,) = json.loads((out / "truth.json").read_text())["lesions"]
    mask = voxels(out / "case.seg.nrrd") > 0
    assert lesion["suv_mean"] == pytest.approx(voxels(out / "case.nrrd")[mask].mean(), rel=1e-5)


def test_a_dicom_scan_gives_activities_and_person_to_the_table_only(insert, out, tmp_path, capsys):
    series = tmp_path / "series"
    series.mkdir()
    injection = pydicom.Dataset()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = "350000000", "6588"
    tags = {**disagreeing_clocks(), "DecayCorrection": "ADMIN", "RadiopharmaceuticalInformationSequence": [injection]}
    person = {"PatientAge": "071Y", "PatientSex": "M", "PatientSize": "1.83", "PatientWeight": "93.5"}
    rng = np.random.default_rng(0)
    for n in range(20):
        pixels = rng.integers(1, 9, (24, 24), dtype=np.int16)
        write_slice(series / f"{n}.dcm", 4.0 * n, 0, 500.0, "1.2.3", **{**tags, **person, "RescaleSlope": "500"},
                    Rows=24, Columns=24, PixelSpacing=[4.0, 4.0], PixelData=pixels.tobytes())  # fmt: skip
    outputs = ["--truth", str(out / "t.csv"), "--output-increment", str(out / "i.nrrd")]
    # The factor that the other commands of this test give would replace that of the tags.
    command = ["insert", str(series), "--box", "36,66,38,40,40,40", "--frame", "lps", "--device", "cpu", "--steps", "2"]
    needed = ["--output-image", str(out / "case.nrrd"), "--output-mask", str(out / "case.seg.nrrd")]
    assert main([*command, *needed, *outputs]) == 0
    (row,) = rows(out / "t.csv")
    assert (row["age_years"], row["sex"], row["height_m"], row["weight_kg"]) == ("71.0", "M", "1.83", "93.5")
    assert row["injected_activity_mbq"] == "350.0" and row["scan_units"] == "BQML"
    mask = voxels(out / "case.seg.nrrd") > 0
    activity = voxels(out / "case.nrrd")[mask]
    assert float(row["activity_mean_bq_per_ml"]) == pytest.approx(activity.mean(dtype=float), rel=1e-5)
    assert float(row["suv_mean"]) == pytest.approx(activity.mean(dtype=float) * 93500 / 350e6, rel=1e-5)
    said = capsys.readouterr()
    told = said.out + said.err + "".join(path.read_text() for path in out.glob("*.json"))
    assert not any(word in told for word in ("93.5", "1.83", "DOE", "350.0"))


@pytest.mark.parametrize("units", ["suv", "scan"])
def test_scan_and_increment_give_the_image(insert, pet, out, units):
    assert insert("--output-increment", str(out / "inc.nii.gz"), "--increment-units", units) == 0
    added = voxels(out / "inc.nii.gz")
    made, before = voxels(out / "case.nrrd"), voxels(pet)
    if units == "scan":
        np.testing.assert_array_equal((before + added).astype(before.dtype), made)
    else:
        np.testing.assert_allclose(before + added, made, atol=1e-5)
    assert added.dtype == (np.float32 if units == "suv" else np.float64) and added.any()
    record = json.loads((out / "inc.provenance.json").read_text())
    assert record["increment_units"] == units and record["synthetic"] is True


def test_again_gives_the_same_table_and_increment(insert, pet, out, tmp_path, tiny_bundle_folder):
    assert insert("--truth", str(out / "t.csv"), "--output-increment", str(out / "i.nrrd")) == 0
    more = tmp_path / "again"
    more.mkdir()
    outputs = ["--output-image", str(more / "case.nrrd"), "--output-mask", str(more / "case.seg.nrrd")]
    outputs += ["--truth", str(more / "t.csv"), "--output-increment", str(more / "i.nrrd")]
    record = ["again", str(out / "case.provenance.json"), str(pet), "--model", str(tiny_bundle_folder)]
    assert main([*record, "--device", "cpu", *outputs]) == 0
    assert (more / "t.csv").read_bytes() == (out / "t.csv").read_bytes()
    np.testing.assert_array_equal(voxels(more / "i.nrrd"), voxels(out / "i.nrrd"))


def test_a_ct_passes_through_byte_for_byte_and_the_provenance_says_so(insert, ct, out, capsys):
    assert insert("--ct", str(ct), "--output-ct", str(out / "ct.nii.gz")) == 0
    said = capsys.readouterr()
    assert f"CT passed through unchanged: {out / 'ct.nii.gz'}" in said.out and "CT and PET" not in said.err
    assert (out / "ct.nii.gz").read_bytes() == ct.read_bytes()
    sha256 = hashlib.sha256(ct.read_bytes()).hexdigest()
    assert provenance(out / "case.nrrd")["ct"] == {"sha256": sha256, "unchanged": True}


def test_a_ct_elsewhere_is_warned_about(insert, ct, out, capsys):
    image = sitk.ReadImage(str(ct))
    image.SetOrigin([value + 5000 for value in image.GetOrigin()])
    sitk.WriteImage(image, str(ct))
    assert insert("--ct", str(ct), "--output-ct", str(out / "ct.nii.gz")) == 0
    assert "CT and PET do not overlap in space" in capsys.readouterr().err
    assert (out / "ct.nii.gz").read_bytes() == ct.read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--ct", "{ct}"], "--ct needs --output-ct"),
        (["--output-ct", "{out}/ct.nii.gz"], "needs --ct"),
        (["--ct", "{ct}", "--output-ct", "{out}/ct.nrrd"], "must end in .nii.gz"),
        (["--ct", "{folder}", "--output-ct", "{out}/ct.nii.gz"], "--output-dicom"),
        (["--ct", "{folder}"], "--output-dicom"),
        (["--ct", "{folder}/none.nii", "--output-ct", "{out}/ct.nii"], "no CT"),
        (["--ct", "{ct}", "--output-ct", "{ct}"], "is an input"),
        (
            ["--ct", "{ct}", "--output-ct", "{out}/case.nii.gz", "--output-increment", "{out}/CASE.nii.gz"],
            "two outputs",
        ),
        (["--truth", "{out}/truth.xlsx"], ".csv or .json"),
        (["--truth", "{out}/none/truth.csv"], "no folder"),
        (["--truth", "{out}/case.provenance.json"], "two outputs"),
        (["--output-increment", "{out}/case.nrrd"], "two outputs"),
        (["--output-increment", "{out}/inc.png"], ".nrrd"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_any_work(insert, ct, out, tmp_path, capsys, options, words):
    given = [option.format(ct=ct, out=out, folder=tmp_path) for option in options]
    assert insert(*given, scan=tmp_path / "nowhere.nii.gz") == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert words in error and "nowhere" not in error
    assert not list(out.iterdir())


def test_a_damaged_ct_and_a_full_disk_leave_nothing(insert, ct, out, capsys):
    outputs = ["--ct", str(ct), "--output-ct", str(out / "ct.nii.gz"), "--truth", str(out / "t.csv")]
    with file_size_limit(3000):  # less than the CT
        assert insert(*outputs) == 1
    assert "ct.nii.gz cannot be written" in capsys.readouterr().err
    assert not list(out.iterdir())
    ct.write_bytes(ct.read_bytes()[:1000])
    assert insert(*outputs) == 1
    assert "ct.nii.gz is truncated" in capsys.readouterr().err
    assert not list(out.iterdir())


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit):
        main(["insert", "--help"])
    said = capsys.readouterr().out
    assert all(option in said for option in ("--truth", "--output-increment", "--increment-units", "--output-ct"))


def test_a_table_never_replaces_the_scan(insert, pet, tmp_path, capsys):
    scan = tmp_path / "scan.nii.gz"
    shutil.copy(pet, scan)
    (tmp_path / "truth.csv").symlink_to(scan)
    assert insert("--truth", str(tmp_path / "truth.csv"), scan=scan) == 1
    assert "is an input" in capsys.readouterr().err
    assert scan.read_bytes() == pet.read_bytes()
