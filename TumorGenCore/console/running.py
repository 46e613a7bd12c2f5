"""A command from its options to its exit status: whatever fails ends with one clear line."""

from __future__ import annotations

import argparse
import traceback
import warnings
from collections.abc import Callable

from TumorGenCore.console.report import Report
from TumorGenCore.errors import CancelledError, TumorGenError, with_remedy
from TumorGenCore.interrupts import remembered_interrupts

__all__ = ["DONE", "FACTOR_REMEDY", "FAILED", "INTERRUPTED", "run_command"]

#: Exit statuses; 2 is argparse's, for wrong usage.
DONE, FAILED, INTERRUPTED = 0, 1, 130
#: How a console is given the factor to SUV.
FACTOR_REMEDY = "The option is --suv-factor."

#: Packages that come with an extra of TumorGen's own.
_EXTRAS = {"accelerate": "train", "highdicom": "dicom", "mirp": "evaluate"}
_OWN_PACKAGES = ("TumorGenCore", "TumorGenSlicerLib")


def run_command(program: str, options: argparse.Namespace, work: Callable[[argparse.Namespace, Report], None]) -> int:
    """Do the work, and report how it ended.

    Args:
        program: its name, which begins an error's line.
        options: with those of ``add_report_options``.
        work: what the options ask for. What it warns of by ``warnings`` is reported too.

    Returns:
        ``DONE``, ``FAILED`` or ``INTERRUPTED``.
    """
    with remembered_interrupts() as interrupted, warnings.catch_warnings():
        report = Report(program, options.quiet, options.json, interrupted)
        warnings.showwarning = lambda message, *_, **__: report.warn(with_remedy(message, FACTOR_REMEDY))
        try:
            work(options, report)
            report.finish()
        except (Exception, KeyboardInterrupt) as failure:
            if options.debug:
                traceback.print_exception(failure)
            report.fail(_words(failure, options.debug))
            return INTERRUPTED if _is_interrupt(failure) else FAILED
    return DONE


def _words(failure: BaseException, debug: bool) -> str:
    """What the user is told; a fault that is not the user's is called a bug."""
    if _is_interrupt(failure):
        return f"Interrupted. {failure}".strip()
    if isinstance(failure, TumorGenError | OSError):
        return with_remedy(failure, FACTOR_REMEDY)
    if isinstance(failure, ModuleNotFoundError) and failure.name and not failure.name.startswith(_OWN_PACKAGES):
        package = failure.name.partition(".")[0]
        source = f"'tumorgen[{_EXTRAS[package]}]'" if package in _EXTRAS else package
        return f"This command needs {package}, which is not installed; pip install {source}."
    advice = "Report it with the traceback" if debug else "Run again with --debug for the traceback, and report it"
    return f"This is a bug in TumorGen ({type(failure).__name__}: {failure}). {advice}."


def _is_interrupt(failure: BaseException) -> bool:
    return isinstance(failure, KeyboardInterrupt | CancelledError)
