"""`tumorgen`: usage, help and exit status of the process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from command_cases import BOX_RAS, assert_one_line

from TumorGenCore.cli import main

COMMANDS = (
    "insert",
    "synthesize",
    "evaluate",
    "compare",
    "ablate",
    "usefulness",
    "models",
    "phantom",
    "prepare",
    "judge-shapes",
)
STUDY = ("make", "score")
STAGES = ("autoencoder", "generator", "lesions", "segmenter", "rival")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["insert"],
        ["insert", "scan.nii", "--output-image", "a.nrrd", "--output-mask", "b.nrrd"],
        ["insert", "scan.nii", "--box"],
        ["insert", "scan.nii", "--box", BOX_RAS, "--output-image", "a.nrrd"],
        ["insert", "scan.nii", "--box", BOX_RAS, "--roi", "r.json", "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "scan.nii", "--box", BOX_RAS, "--steps", "0", "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "scan.nii", "--box", BOX_RAS, "--seed", "-1", "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "x", "--box", BOX_RAS, "--seed", str(2**70), "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "scan.nii", "--box", BOX_RAS, "--frame", "xyz", "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "x", "--box", BOX_RAS, "--fill", "1", "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "x", "--box", BOX_RAS, "--suv-max", "nan", "--output-image", "a.nrrd", "--output-mask", "b"],
        ["insert", "x", "--box", BOX_RAS, "--least-quality", "2", "--output-image", "a", "--output-mask", "b"],
        ["synthesize", "m.csv", "--output", "o", "--steps", "0"],
        ["synthesize", "m.csv", "--output", "o", "--solver", "abacus"],
        ["synthesize", "m.csv", "--output", "o", "--least-quality", "-1"],
        ["train"],
        ["train", "autoencoder", "--data", "d"],
        ["train", "generator", "--data", "d", "--output", "o"],
        ["models", "--loud"],
    ],
)
def test_wrong_usage_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr()
    assert "usage: tumorgen" in said.err
    assert said.out == ""


def test_help_is_status_0_and_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*COMMANDS, "train", "reader-study"))


def test_process_returns_the_status(tmp_path):
    command = [sys.executable, "-m", "TumorGenCore.cli", "insert", "nowhere.nii", "--box", BOX_RAS]
    outputs = ["--output-image", str(tmp_path / "a.nrrd"), "--output-mask", str(tmp_path / "b.nrrd")]
    done = subprocess.run([*command, *outputs], capture_output=True, text=True)
    assert done.returncode == 1
    assert_one_line(done.stderr)
    assert "nowhere.nii" in done.stderr


def test_a_refused_value_is_told_with_the_usage_of_its_command(capsys):
    with pytest.raises(SystemExit):
        main(["synthesize", "m.csv", "--output", "o", "--least-quality", "2"])
    said = capsys.readouterr().err
    assert "usage: tumorgen synthesize" in said
    assert "tumorgen synthesize: error: The least quality is 2.0" in said


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_planted_bug_is_not_told_as_the_user_s_fault(tmp_path, monkeypatch, capsys, options):
    def planted(*_):
        raise ValueError("nobody's fault but ours")

    monkeypatch.setattr("TumorGenCore.phantom.phantom.scan_phantom", planted)
    command = ["phantom", str(tmp_path / "phantom.nii.gz"), *options]
    assert main(command) == 1
    said = capsys.readouterr()
    told = json.loads(said.out)["error"] if options else said.err
    assert "This is a bug in TumorGen (ValueError: nobody's fault but ours)." in told and "--debug" in told
    assert "Traceback" not in said.err
    assert main([*command, "--debug"]) == 1
    said = capsys.readouterr()
    assert "bug in TumorGen" in said.out + said.err
    assert "Traceback" in said.err and "in planted" in said.err


def test_a_user_s_error_has_a_traceback_with_debug_only(tmp_path, capsys):
    command = ["phantom", str(tmp_path / "phantom.png")]
    assert main(command) == 1
    assert_one_line(capsys.readouterr().err)
    assert main([*command, "--debug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said and "UnsupportedVolumeError" in said


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(f"train {stage}" for stage in STAGES), *(f"reader-study {action}" for action in STUDY)]
)
def test_every_command_has_debug_and_json_and_a_quick_help(command):
    """Help imports neither numpy nor torch."""
    code = (
        f"import sys, TumorGenCore.cli\ntry: TumorGenCore.cli.main({[*command.split(), '--help']!r})\n"
        "except SystemExit: print(*({'torch', 'monai', 'SimpleITK', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = done.stdout.splitlines()
    assert shown[0].startswith(f"usage: tumorgen {command}") and shown[-1] == ""
    assert all(f"  {option} " in done.stdout for option in ("--debug", "--json", "--quiet"))
