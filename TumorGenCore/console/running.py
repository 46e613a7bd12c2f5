"""Runs a command from its options to its exit status; every error ends with one clear line."""

from __future__ import annotations

import argparse
import traceback
import warnings
from collections.abc import Callable

from TumorGenCore.console.report import Report
from TumorGenCore.errors import CancelledError, TumorGenError, with_remedy
from TumorGenCore.interrupts import remembered_interrupts

__all__ = ["DONE", "FACTOR_REMEDY", "FAILED", "INTERRUPTED", "run_command"]

#: Exit statuses; argparse uses 2 for wrong usage.
DONE, FAILED, INTERRUPTED = 0, 1, 130
#: Tells users of a console how to give the factor to SUV.
FACTOR_REMEDY = "The option is --suv-factor."

#: Package to the extra of TumorGen that installs it.
_EXTRAS = {"accelerate": "train", "highdicom": "dicom", "mirp": "evaluate"}
_OWN_PACKAGES = ("TumorGenCore", "TumorGenSlicerLib")


def run_command(program: str, options: argparse.Namespace, work: Callable[[argparse.Namespace, Report], None]) -> int:
    """Does the work and reports how it ended.

    Args:
        program: program name at the start of an error line.
        options: parsed options, with those of ``add_report_options``.
        work: function that does what the options ask for; the report includes its Python warnings.

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
    """Returns the message for the user; an unexpected error is called a bug."""
    if _is_interrupt(failure):
        return f"Interrupted. {failure}".strip()
    if isinstance(failure, TumorGenError | OSError):
        return with_remedy(failure, FACTOR_REMEDY)
    if isinstance(failure, ModuleNotFoundError) and failure.name and not failure.name.startswith(_OWN_PACKAGES):
        package = failure.name.partition(".")[0]
        source = f"'tumorgen[{_EXTRAS[package]}]'" if package in _EXTRAS else package
        return f"This command needs {package}. Install it with: pip install {source}"
    advice = "Report it with the traceback" if debug else "Run the command again with --debug and report the traceback"
    return f"This is a bug in TumorGen ({type(failure).__name__}: {failure}). {advice}."


def _is_interrupt(failure: BaseException) -> bool:
    return isinstance(failure, KeyboardInterrupt | CancelledError)
