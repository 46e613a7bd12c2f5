"""`tumorgen contact-sheet`: makes a page to look through the results of `tumorgen synthesize`."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "contact-sheet", "make a page to look through a folder of synthesize")
    parser.add_argument("results", type=Path, metavar="FOLDER", help="finished folder of synthesize")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="new folder for page and pictures")
    parser.add_argument(
        "--suv-window", type=float, default=10.0, metavar="SUV", help="SUV that is black; 0 is white (default: 10)"
    )
    parser.set_defaults(run=_contact_sheet)


def _contact_sheet(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.cohort.contact_sheet.sheet import PAGE_NAME, write_contact_sheet

    lesions = write_contact_sheet(options.results, options.output, options.suv_window, report.progress)
    page, cases = options.output / PAGE_NAME, len({lesion.case.stem for lesion in lesions})
    report.values = {"page": str(page), "cases": cases, "lesions": len(lesions)}
    report.say(f"{len(lesions)} lesions of {cases} results: open {page} in a browser. Synthetic, not for diagnosis.")
