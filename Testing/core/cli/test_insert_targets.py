"""`tumorgen insert` takes every target, and measures a reference region in the scan."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from command_cases import assert_one_line, provenance, voxels

from TumorGenCore.cli import main
from TumorGenCore.lesions.measures import measure_images


@pytest.fixture
def organs(pet, tmp_path):
    """A label map of the scan: its upper half is the liver of TotalSegmentator."""
    labels = np.zeros(voxels(pet).shape, np.uint8)
    labels[labels.shape[0] // 2 :] = 5
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(sitk.ReadImage(str(pet)))
    sitk.WriteImage(image, str(tmp_path / "organs.nii.gz"))
    return tmp_path / "organs.nii.gz"


def test_suvpeak_is_reached(insert, out):
    assert insert("--suv-peak", "9") == 0
    made = [sitk.ReadImage(str(out / name)) for name in ("case.nrrd", "case.seg.nrrd")]
    assert measure_images(*made).suv_peak == pytest.approx(9, rel=0.05)
    assert provenance(out / "case.nrrd")["request"]["suv_peak"] == 9


def test_a_ratio_to_the_liver_is_reached_and_made_again(insert, pet, organs, out, tiny_bundle_folder, capsys):
    assert insert("--to-reference", "6", "--reference", "liver", "--labels", str(organs)) == 0
    reference = voxels(pet)[voxels(organs) == 5].mean()
    inside = voxels(out / "case.seg.nrrd") > 0
    assert voxels(out / "case.nrrd")[inside].mean() / reference == pytest.approx(6, rel=0.05)
    asked = provenance(out / "case.nrrd")["request"]
    assert (asked["to_reference"], asked["reference"]) == (6, "liver")
    assert asked["reference_suv"] == pytest.approx(reference, rel=1e-5)
    record = str(out / "case.provenance.json")
    outputs = ["--output-image", str(out / "again.nrrd"), "--output-mask", str(out / "again.seg.nrrd")]
    options = ["--model", str(tiny_bundle_folder), "--device", "cpu"]
    assert main(["again", record, str(pet), *options, *outputs]) == 0
    np.testing.assert_array_equal(voxels(out / "again.nrrd"), voxels(out / "case.nrrd"))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--suv-max", "8", "--to-background", "3"], "not allowed with"),
        (["--fill", "0.1", "--diameter-mm", "20"], "not allowed with"),
        (["--to-reference", "3"], "--reference go together"),
        (["--reference", "liver"], "--reference go together"),
        (["--to-reference", "3", "--reference", "liver"], "no mask file"),
        (["--to-reference", "0", "--reference", "liver.nii.gz"], "to_reference is 0"),
        (["--volume-ml", "-2"], "volume_ml is -2"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(insert, capsys, options, word):
    with pytest.raises(SystemExit) as stop:
        insert(*options)
    assert stop.value.code == 2
    assert word in capsys.readouterr().err


def test_a_reference_that_is_not_there_fails_with_one_line_and_no_output(insert, organs, out, capsys):
    assert insert("--to-reference", "3", "--reference", "spleen", "--labels", str(organs), "--quiet") == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "spleen" in error and not list(out.iterdir())
