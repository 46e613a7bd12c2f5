"""`tumorgen insert --in ORGAN --labels MAP`: places by the name of an organ."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from command_cases import BOX_RAS, assert_one_line, provenance, voxels
from small_cases import write_organs

from TumorGenCore.lesions.organ_places import APART_MM


@pytest.fixture
def organs(tmp_path):
    return write_organs(tmp_path / "organs.nii.gz")


def centers(path) -> np.ndarray:
    return np.array([tumor["box_center_lps"] for tumor in provenance(path)["tumors"]])


def test_lesions_lie_in_the_organ_apart_and_repeat_with_their_seed(insert, pet, out, organs, capsys):
    place = ("--in", "liver", "--labels", str(organs))
    assert insert("--lesions", "2", "--seed", "4", "--json", box=place) == 0
    assert len(json.loads(capsys.readouterr().out)["variants"]) == 1
    tumors = provenance(out / "case.nrrd")["tumors"]
    assert len(tumors) == 2 and all(x < 0 for x, _, _ in centers(out / "case.nrrd"))
    for a, b in itertools.combinations(tumors, 2):
        apart = np.abs(np.subtract(a["box_center_lps"], b["box_center_lps"]))
        assert np.any(apart >= np.add(a["box_size_mm"], b["box_size_mm"]) / 2 + APART_MM)
    first = voxels(out / "case.nrrd"), centers(out / "case.nrrd")
    assert (first[0] != voxels(pet)).any()
    assert insert("--lesions", "2", "--seed", "4", box=place) == 0
    assert np.array_equal(first[0], voxels(out / "case.nrrd"))
    assert insert("--seed", "5", box=("--in", "10", "--labels", str(organs))) == 0
    assert len(centers(out / "case.nrrd")) == 1 and centers(out / "case.nrrd")[0, 0] > 0


def test_a_drawn_number_of_lesions_is_said(insert, out, organs, capsys):
    assert insert("--lesions", "drawn", "--seed", "1", box=("--in", "lung", "--labels", str(organs))) == 0
    assert f"Boxes in lung: {len(centers(out / 'case.nrrd'))}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("organ", "options", "words"),
    [
        ("livr", (), ("no label 'livr'", "Did you mean liver", "lung_upper_lobe_left")),
        ("liver", ("--lesions", "40"), ("Only", "of 40 lesions fit into the liver", "Ask for")),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(insert, out, organs, capsys, monkeypatch, organ, options, words):
    monkeypatch.setattr("TumorGenCore.insertion.generator.TumorGenerator.from_pretrained", None)
    assert insert(*options, box=("--in", organ, "--labels", str(organs))) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert all(word in error for word in words)
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (("--in", "liver"), "give --labels MAP too"),
        (("--box", BOX_RAS, "--lesions", "2"), "--lesions needs --in"),
        (("--box", BOX_RAS, "--labels", "map.nii.gz"), "--labels is for --in or --reference"),
        (("--in", "liver", "--labels", "map.nii.gz", "--box", BOX_RAS), "not allowed with"),
        (("--in", "liver", "--labels", "map.nii.gz", "--lesions", "0"), "give at least 1"),
        (("--in", "liver", "--labels", "map.nii.gz", "--lesions", "many"), "whole number of at least 1, or 'drawn'"),
    ],
)
def test_wrong_usage_is_said(insert, capsys, place, words):
    with pytest.raises(SystemExit) as usage:
        insert(box=place)
    assert usage.value.code == 2
    assert words in capsys.readouterr().err


def test_the_label_map_is_never_overwritten(insert, organs, capsys):
    assert insert("--output-image", str(organs), box=("--in", "liver", "--labels", str(organs))) == 1
    assert "is an input" in capsys.readouterr().err
