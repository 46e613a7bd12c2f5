"""`tumorgen prepare`: what it says, and that it refuses before any output."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import SimpleITK as sitk
from command_cases import assert_one_line
from small_cases import write_case

from TumorGenCore.cli import main
from TumorGenCore.training.data.cases import load_cases


@pytest.fixture
def release(tmp_path) -> Path:
    """HECKTOR 2021: two labeled patients and one without a mask."""
    folder = tmp_path / "hecktor_nii"
    folder.mkdir()
    for case, center in (("CHGJ007", (0.0, 8.0, 4.0)), ("CHUS001", (8.0, 0.0, 4.0)), ("CHUV002", None)):
        write_case(folder, case, center)
        (folder / f"{case}_image.nii.gz").rename(folder / f"{case}_pt.nii.gz")
        if center:
            (folder / f"{case}_mask.nii.gz").rename(folder / f"{case}_gtvt.nii.gz")
    return folder


def prepare(release: Path, *options: str, layout: str = "hecktor") -> int:
    output = ["--output", str(release.parent / "cases")]
    return main(["prepare", str(release), "--layout", layout, *output, *options])


def test_a_release_becomes_cases_and_the_pattern_is_told(release, capsys):
    assert prepare(release) == 0
    said = capsys.readouterr().out
    assert "2 cases made, 0 kept from before" in said and "1 PET images have no mask" in said
    settings = json.loads(said.splitlines()[-1].partition(": ")[2])
    cases = load_cases(release.parent / "cases", patient_pattern=settings["data"]["patient_pattern"])
    assert [case.patient for case in cases] == ["CHGJ007", "CHUS001"]
    assert prepare(release, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["made"], told["kept"], told["left_out"], told["warnings"]) == (0, 2, [], [])
    assert sorted(p.name for p in (release.parent / "cases").iterdir() if p.name.startswith(".")) == []


def test_the_progress_names_no_case(release, capsys):
    assert prepare(release) == 0
    said = capsys.readouterr()
    assert "Preparing cases, 2 of 2 steps" in said.out
    assert not any(case in said.out + said.err for case in ("CHGJ007", "CHUS001", "CHUV002"))


def test_a_scan_that_is_not_in_suv_is_left_out_with_status_3(release, capsys):
    path = str(release / "CHGJ007_pt.nii.gz")
    sitk.WriteImage(sitk.ReadImage(path) * 10000, path)
    assert prepare(release) == 3
    assert "CHGJ007: left out. CHGJ007_pt.nii.gz: The values do not look like SUV" in capsys.readouterr().err
    assert [case.name for case in load_cases(release.parent / "cases")] == ["CHUS001"]


@pytest.mark.parametrize(
    ("layout", "options", "word"),
    [
        ("autopet", (), "no labeled scan of the layout autopet"),
        ("hecktor", ("--lung-crop", "nowhere"), "no lung map"),
    ],
)
def test_what_cannot_work_is_refused_before_any_output(release, capsys, layout, options, word):
    assert prepare(release, *options, layout=layout) == 1
    error = capsys.readouterr().err
    assert_one_line(error)
    assert word in error
    assert not (release.parent / "cases").exists()


@pytest.mark.parametrize(
    "options",
    [["--layout", "petct"], ["--layout", "hecktor", "--tracer", "psma"], ["--layout", "hecktor", "--diagnosis", "X"]],
)
def test_an_unknown_layout_and_options_of_the_other_are_wrong_usage(release, capsys, options):
    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(release), "--output", str(release.parent / "cases"), *options])
    assert stop.value.code == 2
    assert "usage: tumorgen prepare" in capsys.readouterr().err


def test_ctrl_c_leaves_whole_cases(release, interrupts_raise, at_rename, capsys):
    at_rename += [lambda: None] * 4 + [lambda: signal.raise_signal(signal.SIGINT)]
    assert prepare(release) == 130
    assert "Interrupted" in capsys.readouterr().err
    cases = release.parent / "cases"
    assert sorted(path.name for path in cases.iterdir()) == ["CHGJ007_image.nii.gz", "CHGJ007_mask.nii.gz", "cases.csv"]
    assert prepare(release) == 0
    assert "1 cases made, 1 kept from before" in capsys.readouterr().out
