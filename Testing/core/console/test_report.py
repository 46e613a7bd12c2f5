"""Output for the user: the stream of each line, and the JSON object for machines."""

from __future__ import annotations

import json
import sys

import pytest

from TumorGenCore.console.report import Report
from TumorGenCore.interrupts import StopRequest


def report(quiet: bool = False, as_json: bool = False, plain_progress: bool = False) -> Report:
    return Report("program", quiet, as_json, StopRequest(), plain_progress)


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys):
    told = report()
    told.say("made")
    told.warn("odd")
    told.fail("broken\n  in two")
    said = capsys.readouterr()
    assert said.out == "made\n"
    assert said.err == "Warning: odd\nprogram: broken in two\n"


def test_quiet_leaves_warnings_and_errors(capsys):
    told = report(quiet=True)
    told.say("made")
    told.tell("half")
    told.warn("odd")
    told.finish()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Warning: odd\n")


@pytest.mark.parametrize("fails", [False, True])
def test_json_is_one_object_and_nothing_else(capsys, fails):
    told = report(as_json=True)
    told.values = {"made": 1}
    told.say("made")
    told.progress(1, 2, "making")
    told.warn("odd")
    if fails:
        told.fail("broken")
    else:
        told.finish()
    said = capsys.readouterr()
    assert json.loads(said.out) == {"made": 1, "warnings": ["odd"]} | ({"error": "broken"} if fails else {})
    assert said.err == ""


@pytest.mark.parametrize("fails", [False, True])
def test_a_json_file_gets_the_object_beside_the_lines(capsys, tmp_path, fails):
    told = report()
    told.values, told.json_file = {"made": 1}, tmp_path / "report.json"
    told.json_file.write_text("of an earlier run")
    told.say("made")
    told.warn("odd")
    if fails:
        told.fail("broken")
    else:
        told.finish()
    expected = {"made": 1, "warnings": ["odd"]} | ({"error": "broken"} if fails else {})
    assert json.loads(told.json_file.read_text()) == expected
    said = capsys.readouterr()
    assert said == ("made\n", "Warning: odd\n" + ("program: broken\n" if fails else ""))
    assert list(tmp_path.iterdir()) == [told.json_file]


def test_a_json_file_that_cannot_be_written_is_an_error_of_the_output(tmp_path):
    told = report()
    told.json_file = tmp_path / "missing" / "report.json"
    told.finish()
    assert "There is no folder" in str(told.output_error)


def test_a_warning_is_said_once(capsys):
    told = report()
    told.warn("odd")
    told.warn("odd")
    assert capsys.readouterr().err == "Warning: odd\n"


def test_progress_is_one_line_of_a_terminal_which_the_next_line_takes(capsys, monkeypatch):
    told = report()
    told.progress(1, 2, "making")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    told.progress(1, 2, "making")
    told.progress(2, 2, "making")
    told.warn("odd")
    shown = capsys.readouterr().err
    assert "\n" not in shown[: shown.index("Warning")]
    assert "making, 2 of 2 steps" in shown
    assert shown.endswith("\rWarning: odd\n")


def test_plain_progress_without_a_terminal_is_a_line_at_each_tenth_of_the_steps(capsys):
    told = report(plain_progress=True)
    for done in range(26):
        told.progress(done, 25, "making")
        told.progress(done, 25, "making")
    said = capsys.readouterr()
    steps = [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]  # the first of each tenth
    assert said == ("".join(f"making, {done} of 25 steps\n" for done in steps), "")
    quiet = report(quiet=True, plain_progress=True)
    quiet.progress(1, 2, "making")
    assert capsys.readouterr() == ("", "")


def test_plain_progress_of_work_without_steps_is_one_line(capsys):
    told = report(plain_progress=True)
    told.progress(0, 0, "reading")
    told.progress(0, 0, "reading")
    assert capsys.readouterr().out == "reading, 0 of 0 steps\n"


@pytest.mark.parametrize("where", [lambda told: told.tell("x"), lambda told: told.progress(1, 2, "x")])
def test_the_work_stops_where_it_tells_how_far_it_is(where):
    told = report()
    told.interrupted.is_made = True
    with pytest.raises(KeyboardInterrupt):
        where(told)
