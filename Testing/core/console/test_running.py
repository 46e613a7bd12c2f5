"""A command ends with one line and one status for every kind of error."""

from __future__ import annotations

import argparse
import warnings

import pytest

from TumorGenCore.console.running import DONE, FAILED, INTERRUPTED, run_command
from TumorGenCore.errors import (
    CancelledError,
    InvalidRequestError,
    UnknownUnitsError,
    UnknownUnitsWarning,
)


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
