"""Reads the arguments of the headless script and runs what they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from TumorGenCore.console.arguments import add_device, add_insertion_options, add_report_options, join_box
from TumorGenCore.console.running import run_command
from TumorGenCore.console.study_outputs import add_study_output
from TumorGenCore.console.truth_outputs import add_truth_outputs
from TumorGenSlicerLib.headless.insert import insert
from TumorGenSlicerLib.headless.self_test import selfTest

__all__ = ["main"]

_PROGRAM = "insert_tumor"
_SELF_TEST = "--self-test"


def main(arguments: Sequence[str]) -> int:
    """Runs the script.

    Args:
        arguments: arguments after the name of the script. A ``--`` before them is dropped, as Slicer does it.

    Returns:
        Exit status, as ``run_command``; 2 for wrong usage.
    """
    given = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    try:
        if any(argument.split("=")[0] == _SELF_TEST for argument in given):
            return run_command(_PROGRAM, _selfTestParser().parse_args(given), selfTest, plain_progress=True)
        return run_command(_PROGRAM, _parser().parse_args(join_box(given)), insert, plain_progress=True)
    except SystemExit as usage:  # Else Slicer would keep running without a window or a message.
        return int(usage.code or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Inserts synthetic tumors with masks into a rough box in FDG-PET. Research use, not for diagnosis.",
        epilog=f"{_PROGRAM} {_SELF_TEST} REPORT.md checks TumorGen on this computer with a phantom; it needs no scan.",
    )
    parser.add_argument(
        "--input", type=Path, required=True, metavar="PET", help="NIfTI, NRRD, MHA, or the folder of a DICOM PET series"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="created if it does not exist")
    add_insertion_options(parser)
    add_truth_outputs(parser)
    add_study_output(parser)
    add_report_options(parser, json_file=True)
    return parser


def _selfTestParser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Checks TumorGen on this computer with a phantom, and writes a report."
    )
    parser.add_argument(
        _SELF_TEST, type=Path, required=True, metavar="REPORT.md", help="the report; it holds no patient data"
    )
    add_device(parser)
    add_report_options(parser, json_file=True)
    return parser
