"""The provenance is in a file beside every output, and in the header of NRRD."""

from __future__ import annotations

import json

import nrrd
import pytest
from volume_files import SUFFIXES, oblique_image

from TumorGenCore.volumes.provenance_file import provenance_path, write_provenance
from TumorGenCore.volumes.write import write_volume


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_provenance_lies_beside_every_format(tmp_path, suffix):
    record = {"seed": 7, "synthetic": True, "statement": "Synthetic, not for diagnosis", "box_center_lps": [1.0, -2.5]}
    write_volume(oblique_image(), tmp_path / f"case{suffix}", record)
    assert {item.name for item in tmp_path.iterdir()} == {f"case{suffix}", "case.provenance.json"}
    assert json.loads((tmp_path / "case.provenance.json").read_text()) == record


def test_nrrd_header_carries_provenance(tmp_path):
    record = {"seed": 7, "synthetic": True, "statement": "Synthetic, not for diagnosis", "box_center_lps": [1.0, -2.5]}
    write_volume(oblique_image(), tmp_path / "case.nrrd", record)
    header = nrrd.read_header(str(tmp_path / "case.nrrd"))
    assert header["TumorGen_seed"] == "7"
    assert header["TumorGen_synthetic"] == "true"
    assert header["TumorGen_statement"] == "Synthetic, not for diagnosis"
    assert json.loads(header["TumorGen_box_center_lps"]) == [1.0, -2.5]


def test_image_and_segmentation_of_one_case_share_its_provenance_file():
    names = {provenance_path(f"out/case.v1{suffix}").name for suffix in (".nrrd", ".seg.nrrd", ".nii.gz", ".mha")}
    assert names == {"case.v1.provenance.json"}


def test_write_provenance_returns_where_it_wrote(tmp_path):
    assert write_provenance({"seed": 1}, tmp_path / "a.nii.gz") == tmp_path / "a.provenance.json"
