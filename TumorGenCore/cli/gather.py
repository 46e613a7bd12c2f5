"""`tumorgen gather`: joins the parts of a divided run."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.report import Report
from TumorGenCore.console.running import PARTLY_DONE

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "gather", "join the parts of `tumorgen synthesize --part`")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the results, --output of the parts")
    parser.set_defaults(run=_gather)


def _gather(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.cohort.gather import gather
    from TumorGenCore.cohort.parts import RunFiles

    made, left_out = gather(options.folder)
    files = RunFiles(options.folder)
    report.values = {"made": made, "failed": left_out, "table": str(files.cases)}
    report.say(f"{made} results: {files.cases}. Synthetic, not for diagnosis.")
    if left_out:
        report.status = PARTLY_DONE
        report.warn(f"{left_out} results were left out; {files.failures} says why.")
