"""`tumorgen synthesize`: makes a training set from a table of scans."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.arguments import add_device, add_least_quality, add_model, add_sampling, tumor_request
from TumorGenCore.console.report import Report
from TumorGenCore.console.running import PARTLY_DONE

if TYPE_CHECKING:
    from TumorGenCore.cohort.manifest import ManifestRow
    from TumorGenCore.cohort.results import Outcome
    from TumorGenCore.insertion.request import TumorRequest

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "synthesize", "make a training set from a table of scans (see docs/cohorts.md)")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST.csv", help="table with one row for each scan")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--resume", action="store_true", help="keep complete results in --output and make the others")
    add_least_quality(parser, "none")
    add_sampling(parser)
    add_model(parser)
    add_device(parser)
    parser.set_defaults(run=_synthesize)


def _synthesize(options: argparse.Namespace, report: Report) -> None:
    request = tumor_request(options)
    from TumorGenCore.cohort.manifest import read_manifest
    from TumorGenCore.cohort.runner import check_before_run
    from TumorGenCore.cohort.tables import CASES_FILE, FAILURES_FILE

    rows = read_manifest(options.manifest)
    check_before_run(options.output, rows, options.resume, [options.manifest])
    tally = _Tally(report, sum(len(row.seeds) for row in rows))
    try:
        _make(rows, options, request, tally.add)
    finally:
        tally.close()
    report.say(
        f"{report.values['made']} made, {report.values['kept']} kept from before: {options.output / CASES_FILE}. "
        "Synthetic, not for diagnosis."
    )
    if report.values["failed"]:
        report.status = PARTLY_DONE
        report.warn(
            f"{len(report.values['failed'])} of {tally.total} results were left out; "
            f"{options.output / FAILURES_FILE} says why. Correct the manifest or the scans, and continue with --resume."
        )


def _make(
    rows: Sequence[ManifestRow],
    options: argparse.Namespace,
    request: TumorRequest,
    on_outcome: Callable[[Outcome], None],
) -> None:
    """Makes the results of all rows, with the options as defaults."""
    from TumorGenCore.cohort.runner import synthesize
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    synthesize(generator, rows, options.output, usual=request, resume=options.resume, on_outcome=on_outcome)


class _Tally:
    """Counts outcomes in the values of the report and prints each outcome.

    Args:
        report: report of the command.
        total: number of results to expect.
    """

    def __init__(self, report: Report, total: int) -> None:
        self.report, self.total = report, total
        report.values = {"made": 0, "kept": 0, "failed": []}
        self._told: set[str] = set()
        self._bar = _bar(report, total)

    def add(self, outcome: Outcome) -> None:
        """Counts and prints an outcome; the work can stop here."""
        stems = [f"{outcome.name}_{seed}" for seed in outcome.seeds]
        values = self.report.values
        if outcome.record is None:
            values["failed"] += stems
            self.report.warn(f"{stems[0]}{f' to {stems[-1]}' * (len(stems) > 1)}: left out. {outcome.reason}")
        else:
            values["kept" if outcome.kept else "made"] += 1
        for line in outcome.warnings:
            if line not in self._told:  # once, even for thousands of scans; the table lists all warnings
                self._told.add(line)
                self.report.warn(f"{stems[0]}: {line}")
        if self._bar is not None:
            self._bar.update(len(stems))
        elif outcome.record is not None:
            done = values["made"] + values["kept"] + len(values["failed"])
            made = outcome.record
            figures = f"{made['volume_ml']} ml, SUVmax {made['suv_max'] or '-'}, quality {made['quality']}"
            self.report.say(f"{done}/{self.total} {stems[0]}: {'kept' if outcome.kept else figures}")
        self.report.interrupted.stop()

    def close(self) -> None:
        """Removes the progress bar."""
        if self._bar is not None:
            self._bar.close()


def _bar(report: Report, total: int) -> Any:
    """Returns a progress bar with the time left, or None if no user sees it move."""
    if not report.shows_progress or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(desc="synthesize", total=total, leave=False, unit="case")
