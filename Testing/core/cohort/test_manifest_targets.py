"""Rows may ask for every target of a request; a reference region is measured in the scan of its row."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.request import TumorRequest

HEADER = "image,name,box,count,suv_factor,suv_peak,to_background,to_reference,reference,labels,volume_ml,diameter_mm"
BOX = '"-25,20,-40,40,44,48"'


def organs(manifest_path, voxels_of) -> None:
    scan = sitk.ReadImage(str(manifest_path.parent / "P2_image.nii.gz"))
    labels = sitk.GetImageFromArray(voxels_of(sitk.GetArrayFromImage(scan)).astype(np.uint8))
    labels.CopyInformation(scan)
    sitk.WriteImage(labels, str(manifest_path.parent / "organs.nii.gz"))


def halves(suv: np.ndarray) -> np.ndarray:
    """A liver above, a spleen below."""
    labels = np.full(suv.shape, 1)
    labels[suv.shape[0] // 2 :] = 5
    return labels


def test_the_columns_become_the_request(manifest):
    path = manifest(
        f"P2_image.nii.gz,a,{BOX},,1,7,,,,,,",
        f"P2_image.nii.gz,b,{BOX},,1,,4,,,,,20",
        f"P2_image.nii.gz,c,{BOX},,1,,,,,,5,",
        header=HEADER,
    )
    assert [row.request for row in read_manifest(path)] == [
        TumorRequest(suv_peak=7),
        TumorRequest(to_background=4, diameter_mm=20),
        TumorRequest(volume_ml=5),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("7,4,,,,,", r"column to_background: suv_peak and to_background are both given"),
        (",,,,,5,20", r"column diameter_mm: volume_ml and diameter_mm are both given"),
        (",,3,,,,", r"column reference: empty\. A ratio to a reference region needs"),
        (",,,liver,organs.nii.gz,,", r"column to_reference: empty"),
        ("7,,3,liver,organs.nii.gz,,", r"column to_reference: suv_peak is given too"),
        (",,3,liver,,,", r"column reference: The reference 'liver' is no mask file"),
        (",,3,liver.nii.gz,,,", r"column reference: there is no file 'liver.nii.gz'"),
        (",,3,liver,none.nii.gz,,", r"column labels: there is no file 'none.nii.gz'"),
    ],
)
def test_what_cannot_be_asked_for_is_named_with_line_and_column(manifest, line, words):
    path = manifest(f"P2_image.nii.gz,a,{BOX},,1,{line}", header=HEADER)
    organs(path, halves)
    with pytest.raises(ManifestError, match=f"line 2, {words}"):
        read_manifest(path)


def test_a_reference_is_measured_and_another_one_is_not_gone_on_with(manifest, run, tmp_path, capsys):
    path = manifest(f"P2_image.nii.gz,a,{BOX},,1,,,3,liver,organs.nii.gz,,", header=HEADER)
    organs(path, halves)
    assert run(path) == 0
    suv = sitk.GetArrayFromImage(sitk.ReadImage(str(path.parent / "P2_image.nii.gz")))
    made = json.loads((tmp_path / "out" / "a_0.provenance.json").read_text())
    assert made["request"]["reference_suv"] == pytest.approx(suv[halves(suv) == 5].mean(), rel=1e-5)
    assert (made["request"]["to_reference"], made["request"]["reference"]) == (3.0, "liver")
    assert run(path, "--resume") == 0
    capsys.readouterr()
    organs(path, lambda suv: np.where(suv > np.median(suv), 5, 1))
    assert run(path, "--resume") == 1
    assert "a_0 was made with reference_suv" in capsys.readouterr().err


def test_a_place_that_cannot_take_a_target_leaves_its_result_out(manifest, run, tmp_path):
    path = manifest(f"air.nii.gz,a,{BOX},,1,,3,,,,,", f"P2_image.nii.gz,b,{BOX},,1,,3,,,,,", header=HEADER)
    scan = sitk.ReadImage(str(path.parent / "P2_image.nii.gz"))
    sitk.WriteImage(scan * 0, str(path.parent / "air.nii.gz"))
    assert run(path) == 3
    (failure,) = (tmp_path / "out" / "failures.csv").read_text().splitlines()[1:]
    assert failure.startswith("a,0,") and "There is only air around the box" in failure
    assert (tmp_path / "out" / "b_0_image.nii.gz").exists()
