"""`tumorgen phantom` makes a scan and a box for trying things out."""

from __future__ import annotations

import json

import pytest
import SimpleITK as sitk
from command_cases import assert_one_line
from full_disk import file_size_limit

from TumorGenCore.cli import main
from TumorGenCore.cli.phantom import _ANATOMY_FILE_BYTES, _FILE_BYTES
from TumorGenCore.volumes.label_map import read_label_map
from TumorGenCore.volumes.markups import read_box


def test_phantom_and_its_box_can_be_inserted_in_and_its_organs_lie_on_it(insert, tmp_path, capsys):
    scan, roi, labels = (tmp_path / name for name in ("phantom.nii.gz", "roi.mrk.json", "labels.nii.gz"))
    outputs = ["--roi", str(roi), "--site", "left thigh", "--labels", str(labels)]
    assert main(["phantom", str(scan), *outputs, "--json"]) == 0
    assert scan.stat().st_size == pytest.approx(_FILE_BYTES, rel=0.12)
    said = {"phantom": str(scan), "roi": str(roi), "labels": str(labels), "warnings": []}
    assert json.loads(capsys.readouterr().out) == said
    assert read_label_map(labels, sitk.ReadImage(str(scan))).mask("liver").sum() > 10_000
    assert insert(box=("--roi", str(roi)), scan=scan) == 0
    capsys.readouterr()
    assert main(["phantom", str(labels), "--labels", str(labels)]) == 1
    assert "a file of their own" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--site", "toe", "--roi", "roi.mrk.json"], ["--site", "toe"]])
def test_phantom_of_an_unknown_site_is_refused_before_any_work(tmp_path, capsys, options):
    assert main(["phantom", str(tmp_path / "phantom.nii.gz"), *options]) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "toe" in error and "liver" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("roi", "word"), [("missing/roi.mrk.json", "missing"), (f"{'n' * 256}.mrk.json", "cannot be used")]
)
def test_box_that_cannot_be_written_is_refused_before_any_work(tmp_path, capsys, roi, word):
    assert main(["phantom", str(tmp_path / "phantom.nii.gz"), "--roi", str(tmp_path / roi)]) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert word in error
    assert not list(tmp_path.iterdir())


def test_phantom_that_does_not_fit_leaves_no_box(tmp_path, capsys):
    with file_size_limit(1_000_000):
        assert main(["phantom", str(tmp_path / "phantom.nii.gz"), "--roi", str(tmp_path / "roi.mrk.json")]) == 1
    assert "was not written completely" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_body_of_a_label_map_and_a_box_in_its_organ(shared_data, tmp_path):
    labels = shared_data / "anatomy" / "VH_M_labels_3mm.npz"
    if not labels.is_file():
        pytest.skip(f"The label map {labels} is missing.")
    scan, roi = tmp_path / "body.nii.gz", tmp_path / "roi.mrk.json"
    assert main(["phantom", str(scan), "--anatomy", str(labels), "--roi", str(roi), "--site", "bladder"]) == 0
    assert scan.stat().st_size < _ANATOMY_FILE_BYTES
    suv = sitk.ReadImage(str(scan))
    center = read_box(roi).center_lps
    assert suv[suv.TransformPhysicalPointToIndex(center)] > 5
    assert all(2 <= edge <= 5.5 for edge in suv.GetSpacing())  # drawn from the seed


@pytest.mark.parametrize(
    ("labels", "site", "word"),
    [
        ("elbow.npz", "liver", "not known"),
        ("VH_M_labels_3mm.npz", "toe", "toe"),
        ("VH_M_labels_3mm.npz", "bone", "read"),
    ],
)
def test_a_label_map_or_organ_that_is_not_there_is_refused(tmp_path, capsys, labels, site, word):
    output = tmp_path / "body.nii.gz"
    assert main(["phantom", str(output), "--anatomy", str(tmp_path / labels), "--site", site]) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert word in error
    assert not list(tmp_path.iterdir())
