"""`tumorgen reader-study` makes a study of held-out patients and of folders, and scores it."""

from __future__ import annotations

import json

import pytest
from command_cases import assert_one_line

from TumorGenCore.cli import main


def test_a_study_of_patients_is_made_and_scored(tiny_cases, tiny_bundle_folder, tmp_path, capsys):
    model = ["--model", str(tiny_bundle_folder), "--device", "cpu"]
    sizes = ["--cases", "P1-a,P2,P3", "--real", "2", "--synthetic", "2", "--seed", "3"]
    output = tmp_path / "study"
    assert main(["reader-study", "make", "--data", str(tiny_cases), "--output", str(output), *sizes, *model]) == 0
    assert "Key, which no reader may see" in capsys.readouterr().out
    key = json.loads((output / "key.json").read_text())
    truths = [lesion["truth"] for lesion in key["lesions"].values()]
    assert sorted(truths) == ["real"] * 2 + ["synthetic"] * 2
    assert key["cases"] == ["P1-a", "P2", "P3"] and key["bundle"] == "tiny" and key["seed"] == 3
    answers = {"format": "tumorgen reader-study answers", "version": 1, "study": key["study"], "reader": "R1"}
    given = [{"id": name, "rating": 3, "seconds": 1, "window": [0, 10]} for name in key["lesions"]]
    (tmp_path / "answers.json").write_text(json.dumps({**answers, "answers": given}))
    files = [str(output / "key.json"), str(tmp_path / "answers.json")]
    assert main(["reader-study", "score", *files, "--output", str(tmp_path / "scores"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["readers"]["R1"]["all"]["auc"] == 0.5 and said["warnings"] == []
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["roc.png", "scores.json", "scores.md"]


def test_a_study_is_not_written_over_before_any_work(tmp_path, capsys):
    (tmp_path / "key.json").write_text("{}")
    assert main(["reader-study", "make", "--data", "nowhere", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert_one_line(said)
    assert "Give another folder" in said


def test_interrupt_that_python_loses_stops_after_the_box(
    tiny_cases, tiny_bundle_folder, interrupted_preparation, tmp_path, capsys
):
    command = ["reader-study", "make", "--data", str(tiny_cases), "--output", str(tmp_path / "out"), "--cases", "P2"]
    few = ["--real", "1", "--synthetic", "1", "--model", str(tiny_bundle_folder), "--device", "cpu"]
    assert main([*command, *few]) == 130
    assert_one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "one of the arguments --data --real-folder is required"),
        (["--data", "d", "--real-folder", "r"], "not allowed with argument"),
        (["--real-folder", "r"], "give --real-folder together with --synthetic-folder"),
        (["--data", "d", "--synthetic-folder", "s"], "give --real-folder together with --synthetic-folder"),
        (["--real-folder", "r", "--synthetic-folder", "s", "--cases", "A"], "--cases goes with --data"),
        (["--real-folder", "r", "--synthetic-folder", "s", "--patient-pattern", ".+"], "has no group"),
        (["--real-folder", "r", "--synthetic-folder", "s", "--patient-pattern", "(("], "not a regular expression"),
        (["--data", "d", "--real", "0"], "0 is too small"),
    ],
)
def test_wrong_options_are_told_with_the_usage(options, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["reader-study", "make", "--output", "o", *options])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "usage: tumorgen reader-study make" in error
    assert said in error
