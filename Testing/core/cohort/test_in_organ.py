"""Columns `in` and `labels` of a manifest: tumors in an organ of a label map."""

from __future__ import annotations

import csv
import json

import pytest
from small_cases import write_organs

from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.in_organ import InOrgan

HEADER = "image,name,in,labels,count,tumors,suv_factor"


@pytest.fixture
def organs(manifest, tmp_path):
    return write_organs(tmp_path / "manifest" / "organs.nii.gz")


def cases(folder) -> list[dict[str, str]]:
    with (folder / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_tumors_lie_in_the_organ_and_runs_resume(manifest, run, organs, tmp_path):
    path = manifest(
        "P4_image.nii.gz,A,liver,organs.nii.gz,2,2,1",
        "P4_image.nii.gz,B,lung,organs.nii.gz,1,drawn,1",
        header=HEADER,
    )
    assert run(path) == 0
    out = tmp_path / "out"
    made = {}
    for record in cases(out):
        provenance = json.loads((out / record["provenance"]).read_text())
        made[f"{record['name']}_{record['seed']}"] = provenance["tumors"]
        assert provenance["case"]["labels"] == "organs.nii.gz"
        assert provenance["case"]["tumors"] == (2 if record["name"] == "A" else "drawn")
    assert len(made["A_0"]) == len(made["A_1"]) == 2 and len(made["B_0"]) >= 1
    lefts = {name: [tumor["box_center_lps"][0] for tumor in tumors] for name, tumors in made.items()}
    assert max(*lefts["A_0"], *lefts["A_1"]) < 0 < min(lefts["B_0"])
    assert made["A_0"][0]["box_center_lps"] != made["A_1"][0]["box_center_lps"]
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("*_*")}
    assert run(path, "--resume") == 0
    assert before == {file.name: file.stat().st_mtime_ns for file in out.glob("*_*")}


def test_a_row_whose_organ_is_absent_is_left_out_by_name(manifest, run, organs, tmp_path):
    path = manifest(
        "P4_image.nii.gz,A,spleen,organs.nii.gz,,,1", "P4_image.nii.gz,B,5,organs.nii.gz,,,1", header=HEADER
    )
    assert run(path) == 3
    assert [record["name"] for record in cases(tmp_path / "out")] == ["B"]
    with (tmp_path / "out" / "failures.csv").open(newline="") as file:
        (failure,) = csv.DictReader(file)
    assert "organs.nii.gz has no label 'spleen'" in failure["reason"] and str(tmp_path) not in failure["reason"]


def test_rows_are_read(manifest, organs):
    first, second = read_manifest(
        manifest(
            "P4_image.nii.gz,A,liver,organs.nii.gz,,3,", "P4_image.nii.gz,B,5,organs.nii.gz,,drawn,", header=HEADER
        )
    )
    assert first.organ == InOrgan("liver", organs, 3) and second.organ == InOrgan("5", organs, None)
    assert organs in first.files


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("P4_image.nii.gz,A,liver,,,,", "column labels: empty. Give the label map"),
        ("P4_image.nii.gz,A,liver,none.nii.gz,,,", "column labels: there is no file"),
        ("P4_image.nii.gz,A,,organs.nii.gz,,,", "column labels: neither in nor reference"),
        ("P4_image.nii.gz,A,liver,organs.nii.gz,,many,", "column tumors: 'many' is not a whole number"),
        ("P4_image.nii.gz,A,,,,drawn,", "column tumors: 'drawn' is not a whole number"),
    ],
)
def test_rows_that_cannot_be_used_name_their_column(manifest, organs, line, words):
    with pytest.raises(ManifestError, match=words):
        read_manifest(manifest(line, header=HEADER))


def test_one_place_is_enough(manifest, organs):
    with pytest.raises(ManifestError, match="column in: box already places the tumor"):
        read_manifest(manifest('P4_image.nii.gz,"0,0,0,30,30,30",liver,organs.nii.gz', header="image,box,in,labels"))


def test_several_organs_get_the_same_number_of_results_each(manifest, run, organs, tmp_path):
    path = manifest("P4_image.nii.gz,A,liver | 5,organs.nii.gz,2,,1", header=HEADER)
    assert [(row.name, row.organ.name, len(row.seeds)) for row in read_manifest(path)] == [
        ("A-liver", "liver", 2), ("A-5", "5", 2),
    ]  # fmt: skip
    with pytest.raises(ManifestError, match=r"column in: an organ is missing"):
        read_manifest(manifest("P4_image.nii.gz,A,liver|,organs.nii.gz,2,,1", header=HEADER))


def test_even_sizes_are_asked_for_by_a_column_and_kept_in_the_provenance(manifest, run, organs, tmp_path):
    header = HEADER.replace("suv_factor", "sizes,suv_factor")
    path = manifest("P4_image.nii.gz,A,liver,organs.nii.gz,1,1,even,1", header=header)
    assert run(path) == 0
    assert json.loads((tmp_path / "out" / "A_0.provenance.json").read_text())["case"]["sizes"] == "even"
    with pytest.raises(ManifestError, match="neither usual nor even"):
        read_manifest(manifest("P4_image.nii.gz,A,liver,organs.nii.gz,1,1,big,1", header=header))
