"""`tumorgen again` makes the same tumor from its provenance, and reports any difference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_cases import assert_one_line, voxels

from TumorGenCore.cli import main


@pytest.fixture
def again(insert, pet, out, tiny_bundle_folder, capsys):
    """Inserts two variants, then makes the second one again from its provenance."""
    assert insert("--variants", "2", "--seed", "5", "--suv-max", "9") == 0
    capsys.readouterr()

    def again(*options: str, scan: Path = pet) -> int:
        record = out / "case-seed6.provenance.json"
        outputs = ["--output-image", str(out / "again.nrrd"), "--output-mask", str(out / "again.seg.nrrd")]
        model = ["--model", str(tiny_bundle_folder), "--device", "cpu"]
        return main(["again", str(record), str(scan), *outputs, *model, *options])

    return again


def test_the_same_tumor_comes_to_the_last_bit(again, out, capsys):
    assert again() == 0
    assert "The tumor is identical to the last bit." in capsys.readouterr().out
    for kind in (".nrrd", ".seg.nrrd"):
        np.testing.assert_array_equal(voxels(out / f"again{kind}"), voxels(out / f"case-seed6{kind}"))


def test_what_is_another_one_now_is_named(again, out, capsys):
    path = out / "case-seed6.provenance.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "software_version": "0.4.9", "bundle_hash": "ab"}))
    assert again("--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["differences"]) == 2
    assert "0.4.9" in said["differences"][0] and "was ab" in said["differences"][1]
    assert set(said["differences"]) <= set(said["warnings"])


def test_another_scan_and_what_is_no_provenance_are_refused(again, out, tiny_cases, capsys):
    assert again(scan=next(tiny_cases.rglob("P4_image.nii.gz"))) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "not the scan" in error
    (out / "case-seed6.provenance.json").write_text("{}")
    assert again() == 1
    assert "not the provenance" in capsys.readouterr().err
    assert not (out / "again.nrrd").exists()


def test_the_record_is_not_overwritten(pet, tmp_path, capsys):
    record = tmp_path / "case.provenance.json"
    record.write_text("{}")
    outputs = ["--output-image", str(tmp_path / "case.nrrd"), "--output-mask", str(tmp_path / "again.seg.nrrd")]
    assert main(["again", str(record), str(pet), *outputs]) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "case.provenance.json is an input" in error
