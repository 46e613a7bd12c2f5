"""`tumorgen export`: what the user gives and hears."""

from __future__ import annotations

import json

import pytest
from command_cases import BOX_RAS, assert_one_line

from TumorGenCore.cli import main


@pytest.fixture(scope="module")
def folder(tiny_cases, tiny_bundle_folder, tmp_path_factory):
    """Results of one scan, named S_0 and S_1."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "manifest.csv").write_text(
        f'image,name,box,suv_factor,count\n{tiny_cases / "P2_image.nii.gz"},S,"{BOX_RAS}",1,2\n'
    )
    options = ["--model", str(tiny_bundle_folder), "--device", "cpu", "--steps", "2", "--quiet"]
    assert main(["synthesize", str(folder / "manifest.csv"), "--output", str(folder / "made"), *options]) == 0
    return folder / "made"


def test_one_line_says_what_was_exported(folder, tmp_path, capsys):
    options = ["--name", "Mine", "--source", "doi:10.1/x", "--license", "CC BY 4.0"]
    assert main(["export", str(folder), "--format", "nnunet", "--output", str(tmp_path / "raw"), *options]) == 0
    said = capsys.readouterr()
    place = tmp_path / "raw" / "Dataset501_Mine"
    assert said.out == f"2 results with 2 lesions of 1 patients: {place}. Synthetic, not for diagnosis.\n"
    assert "no split" in said.err
    dataset = json.loads((place / "dataset.json").read_text())
    assert (dataset["licence"], dataset["reference"]) == ("CC BY 4.0", "doi:10.1/x")
    assert dataset["channel_names"] == {"0": "PET"} and not (place / "splits_final.json").exists()


def test_json_has_the_figures(folder, tmp_path, capsys):
    assert (
        main(["export", str(folder), "--format", "bids", "--output", str(tmp_path / "bids"), "--copy", "--json"]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert (said["results"], said["lesions"], said["has_ct"], said["linked"]) == (2, 2, False, False)
    assert said["folder"] == str(tmp_path / "bids") and said["format"] == "bids"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "a b"], "name"),
        (["--dataset-id", "1000"], "1 to 999"),
        (["--folds", "1"], "folds"),
        (["--patient-pattern", "("], "regular expression"),
    ],
)
def test_an_option_that_cannot_be_used_is_the_user_s_error(folder, tmp_path, capsys, options, words):
    assert main(["export", str(folder), "--format", "monai", "--output", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert words in error and not list(tmp_path.iterdir())
