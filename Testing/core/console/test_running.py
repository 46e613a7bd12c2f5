"""A command ends with one line and one status for every kind of error."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from TumorGenCore.console.running import DONE, FAILED, INTERRUPTED, PARTLY_DONE, TERMINATED, run_command
from TumorGenCore.errors import (
    CancelledError,
    InvalidRequestError,
    UnknownUnitsError,
    UnknownUnitsWarning,
)
from TumorGenCore.interrupts import deferred_stops


def ended(failure: BaseException | None, debug: bool = False) -> int:
    """Returns the exit status of a command that fails with this error."""

    def work(options, report):
        if failure is not None:
            raise failure

    return run_command("program", argparse.Namespace(quiet=False, json=False, debug=debug), work)


def test_work_that_ends_is_done(capsys):
    assert ended(None) == DONE == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("failure", "status", "line"),
    [
        (InvalidRequestError("steps is 0."), FAILED, "steps is 0."),
        (UnknownUnitsError("No units."), FAILED, "No units. The option is --suv-factor."),
        (OSError("no space left"), FAILED, "no space left"),
        (KeyboardInterrupt(), INTERRUPTED, "Interrupted."),
        (CancelledError("Nothing was written."), INTERRUPTED, "Interrupted. Nothing was written."),
        (
            ModuleNotFoundError(name="accelerate"),
            FAILED,
            "This command needs accelerate. Install it with: pip install 'tumorgen[train]'",
        ),
        (
            ModuleNotFoundError(name="scipy.ndimage"),
            FAILED,
            "This command needs scipy. Install it with: pip install scipy",
        ),
    ],
)
def test_what_is_no_bug_is_one_clear_line(capsys, failure, status, line):
    assert ended(failure) == status
    assert capsys.readouterr() == ("", f"program: {line}\n")
    assert ended(failure, debug=True) == status
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and said.endswith(f"program: {line}\n")


@pytest.mark.parametrize(
    "failure",
    [
        ValueError("odd"),
        KeyError("odd"),
        RuntimeError("odd"),
        AssertionError(),
        ModuleNotFoundError("no module", name="TumorGenCore.gone"),
    ],
)
def test_any_other_failure_is_called_a_bug(capsys, failure):
    assert ended(failure) == FAILED
    said = capsys.readouterr().err
    assert said.startswith(f"program: This is a bug in TumorGen ({type(failure).__name__}: ")
    assert said.count("\n") == 1 and "--debug" in said
    assert ended(failure, debug=True) == FAILED
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and "Report it" in said.splitlines()[-1]


def test_warnings_of_the_work_are_reported_with_the_remedy(capsys):
    def work(options, report):
        warnings.warn("No units.", UnknownUnitsWarning, stacklevel=1)

    assert run_command("program", argparse.Namespace(quiet=True, json=False, debug=False), work) == DONE
    assert capsys.readouterr().err == "Warning: No units. The option is --suv-factor.\n"


PROGRAM = """
import argparse, contextlib, os, sys
from pathlib import Path
from TumorGenCore.console.running import run_command

def work(options, report):
    report.progress(1, 2, "making")
    report.say("made " + options.name)
    report.warn("odd")
    with open(options.output, "w") as stream:
        assert stream.fileno() > 2
        with contextlib.suppress(OSError):
            os.write(2, b"noise of a library")
        stream.write("result")
    report.values = {"made": 1}

usual = {"quiet": False, "json": "json" in sys.argv, "debug": False}
options = argparse.Namespace(**usual, name="caf\\udce9", output=Path(sys.argv[1]))
sys.exit(run_command("program", options, work))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix shell")
@pytest.mark.parametrize("as_json", ["", "json"])
@pytest.mark.parametrize("ending", ["", "2>&-", ">&-", "<&- >&- 2>&-", "| true", "2>&1 | true", "2>/dev/full"])
def test_stream_that_is_closed_costs_no_result(tmp_path, ending, as_json):
    command = f"'{sys.executable}' -c '{PROGRAM}' '{tmp_path / 'out'}' {as_json} {ending}"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert run.returncode == 0
    assert (tmp_path / "out").read_text() == "result"
    assert "Traceback" not in run.stderr and "Exception" not in run.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_output_that_finds_no_space_is_a_failure(tmp_path):
    command = f"'{sys.executable}' -c '{PROGRAM}' '{tmp_path / 'out'}' json > /dev/full"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert run.returncode == FAILED
    assert "program: The output cannot be written" in run.stderr and "Traceback" not in run.stderr
    assert (tmp_path / "out").read_text() == "result"


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
@pytest.mark.parametrize(
    "hiding", [None, OSError("Directory not empty"), ValueError("odd"), CancelledError("Nothing.")]
)
def test_nothing_hides_an_interrupt(capsys, number, status, hiding):
    def work(options, report):
        try:
            signal.raise_signal(number)
        finally:
            if hiding is not None:
                raise hiding

    assert run_command("program", argparse.Namespace(quiet=False, json=False, debug=False), work) == status
    said = capsys.readouterr().err
    assert said.startswith("program: Interrupted.") and said.count("\n") == 1
    assert (INTERRUPTED, TERMINATED) == (130, 143)


def test_stop_that_the_work_deferred_has_the_status_of_its_signal(capsys):
    def work(options, report):
        with deferred_stops() as stop:
            signal.raise_signal(signal.SIGTERM)
            assert stop()
            raise KeyboardInterrupt("stopped at step 7")

    assert run_command("program", argparse.Namespace(quiet=False, json=False, debug=False), work) == TERMINATED
    assert capsys.readouterr().err == "program: Interrupted. stopped at step 7\n"


def test_work_sets_the_status_of_a_command_that_left_rows_out():
    def work(options, report):
        report.status = PARTLY_DONE

    assert run_command("program", argparse.Namespace(quiet=False, json=False, debug=False), work) == PARTLY_DONE == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_path_that_is_not_utf8_is_refused_before_the_work(capsys):
    options = argparse.Namespace(quiet=False, json=False, debug=False, pet=Path(os.fsdecode(b"caf\xe9.nii.gz")))
    assert run_command("program", options, lambda *_: pytest.fail("worked")) == FAILED
    assert capsys.readouterr().err == "program: The name 'caf\\udce9.nii.gz' is not UTF-8. Rename the file or folder.\n"


def test_json_file_holds_why_the_command_failed(tmp_path):
    def work(options, report):
        report.values = {"made": 1}
        raise OSError("no space left")

    options = argparse.Namespace(quiet=False, json=tmp_path / "report.json", debug=False)
    assert run_command("program", options, work) == FAILED
    assert json.loads(options.json.read_text()) == {"made": 1, "error": "no space left", "warnings": []}


def test_json_file_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    options = argparse.Namespace(quiet=False, json=tmp_path / "missing" / "report.json", debug=False)
    assert run_command("program", options, lambda *_: pytest.fail("worked")) == FAILED
    assert "There is no folder" in capsys.readouterr().err


def test_json_file_whose_folder_vanishes_is_a_failure_after_the_work(tmp_path, capsys):
    options = argparse.Namespace(quiet=False, json=tmp_path / "folder" / "report.json", debug=False)
    options.json.parent.mkdir()
    assert run_command("program", options, lambda *_: options.json.parent.rmdir()) == FAILED
    assert "program: The output cannot be written: There is no folder" in capsys.readouterr().err
