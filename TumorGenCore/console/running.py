"""Runs a command from its options to its exit status; every error ends with one clear line."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from TumorGenCore.console.report import Report
from TumorGenCore.errors import CancelledError, TumorGenError, with_remedy
from TumorGenCore.interrupts import deferred_stops, remembered_interrupts
from TumorGenCore.volumes.safe_write import check_folder, check_name

__all__ = ["DONE", "FACTOR_REMEDY", "FAILED", "INTERRUPTED", "PARTLY_DONE", "TERMINATED", "WRONG_USAGE", "run_command"]

#: Exit statuses. Argparse ends with ``WRONG_USAGE``; ``PARTLY_DONE`` is for rows that were left out.
DONE, FAILED, WRONG_USAGE, PARTLY_DONE = 0, 1, 2, 3
#: Exit statuses of a command that a signal stopped: 128 and the number of the signal (Ctrl+C, SIGTERM).
INTERRUPTED, TERMINATED = 130, 143
#: Tells users of a console how to give the factor to SUV.
FACTOR_REMEDY = "The option is --suv-factor."

#: Package to the extra of TumorGen that installs it.
_EXTRAS = {"accelerate": "train", "highdicom": "dicom", "mirp": "evaluate", "ray": "ray"}
_OWN_PACKAGES = ("TumorGenCore", "TumorGenSlicerLib")


def run_command(
    program: str,
    options: argparse.Namespace,
    work: Callable[[argparse.Namespace, Report], None],
    plain_progress: bool = False,
) -> int:
    """Does the work and reports how it ended.

    Args:
        program: program name at the start of an error line.
        options: parsed options, with those of ``add_report_options``.
        work: function that does what the options ask for; the report includes its Python warnings.
        plain_progress: without a terminal, show the progress as lines, see ``Report``.

    Returns:
        Exit status: the status of the report if the work ended without an error, ``FAILED``, or for a command that
        was stopped ``INTERRUPTED``, ``TERMINATED`` or 128 and the number of another signal.
    """
    _open_streams()
    with remembered_interrupts() as interrupted, warnings.catch_warnings():
        report = Report(program, options.quiet, options.json is True, interrupted, plain_progress)
        warnings.showwarning = lambda message, *_, **__: report.warn(with_remedy(message, FACTOR_REMEDY))
        try:
            _check_paths(options)
            if isinstance(options.json, Path):
                check_folder(options.json)
                report.json_file = options.json
            work(options, report)
            report.finish()
        except (Exception, KeyboardInterrupt) as failure:
            with deferred_stops():  # A second Ctrl+C must not hide how the command ended.
                return _ended(failure, report, options.debug)
        if report.output_error is not None:
            print(f"{program}: The output cannot be written: {report.output_error}.", file=sys.stderr)
            return FAILED
    return report.status


def _open_streams() -> None:
    """Opens the standard streams that are closed; else the next file would become one and take in what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _check_paths(options: argparse.Namespace) -> None:
    """Refuses paths that ITK cannot take and that no line of the report can show."""
    for value in vars(options).values():
        if isinstance(value, Path):
            check_name(value)


def _ended(failure: BaseException, report: Report, debug: bool) -> int:
    """Reports why the work ended, and returns the exit status. Once the user has stopped it, no error hides that."""
    if debug:
        report.trace(failure)
    is_stop = isinstance(failure, KeyboardInterrupt | CancelledError)
    if is_stop or report.interrupted():
        report.fail(f"Interrupted. {failure if is_stop else ''}".strip())
        return 128 + report.interrupted.number
    report.fail(_words(failure, debug))
    return FAILED


def _words(failure: BaseException, debug: bool) -> str:
    """Returns the message for the user; an unexpected error is called a bug."""
    if isinstance(failure, TumorGenError | OSError):
        return with_remedy(failure, FACTOR_REMEDY)
    if isinstance(failure, ModuleNotFoundError) and failure.name and not failure.name.startswith(_OWN_PACKAGES):
        package = failure.name.partition(".")[0]
        source = f"'tumorgen[{_EXTRAS[package]}]'" if package in _EXTRAS else package
        return f"This command needs {package}. Install it with: pip install {source}"
    advice = "Report it with the traceback" if debug else "Run the command again with --debug and report the traceback"
    return f"This is a bug in TumorGen ({type(failure).__name__}: {failure}). {advice}."
