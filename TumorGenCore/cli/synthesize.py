"""`tumorgen synthesize`: makes a training set from a table of scans."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.arguments import (
    add_device,
    add_least_quality,
    add_mask,
    add_model,
    add_sampling,
    positive_number,
    tumor_request,
)
from TumorGenCore.console.report import Report
from TumorGenCore.console.running import PARTLY_DONE

if TYPE_CHECKING:
    from TumorGenCore.cohort.crew import Worker
    from TumorGenCore.cohort.manifest import ManifestRow
    from TumorGenCore.cohort.parts import Part
    from TumorGenCore.cohort.results import Outcome, Record
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.insertion.request import TumorRequest

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "synthesize", "make a training set from a table of scans (see docs/cohorts.md)")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST.csv", help="table with one row for each scan")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--resume", action="store_true", help="keep complete results in --output and make the others")
    parser.add_argument(
        "--workers",
        type=positive_number,
        metavar="N",
        help="worker processes, each with the model (default: as processors and memory allow)",
    )
    parser.add_argument(
        "--part",
        type=_part,
        metavar="i/N",
        help="make part i (from 0) of N; join them with `tumorgen gather`",
    )
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="make the results on a Ray cluster: its address, 'auto', or 'local'"
    )
    parser.add_argument(
        "--plan",
        nargs="?",
        const=True,
        metavar="PICTURE.png",
        help="make nothing, but say how many hours and how much disk it takes, and which sizes, uptakes and places "
        "will be drawn, also as a picture",
    )
    add_least_quality(parser, "0.6, the quality gate; 0 keeps all tumors")
    add_mask(parser)
    add_sampling(parser)
    add_model(parser)
    add_device(parser)
    parser.set_defaults(run=_synthesize)


def _part(text: str) -> Part:
    """Parses the part of a manifest."""
    from TumorGenCore.cohort.parts import Part

    try:
        return Part.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _synthesize(options: argparse.Namespace, report: Report) -> None:
    request = tumor_request(options)
    from TumorGenCore.cohort.manifest import read_manifest
    from TumorGenCore.cohort.parts import RunFiles
    from TumorGenCore.cohort.runner import check_before_run
    from TumorGenCore.lesions.quality import LEAST_QUALITY

    if request.least_quality is None:
        request = replace(request, least_quality=LEAST_QUALITY)
    rows = read_manifest(options.manifest)
    mine = rows if options.part is None else options.part.rows(rows)
    check_before_run(options.output, mine, options.resume, [options.manifest], options.part)
    if options.plan is not None:
        _plan(mine, options, request, report)
        return
    files = RunFiles(options.output, options.part)
    tally = _Tally(report, sum(len(row.seeds) for row in mine))
    try:
        _make(rows, mine, options, request, tally)
    finally:
        tally.close()
    tally.sum_up(files.cases)
    report.say(
        f"{report.values['made']} made, {report.values['kept']} kept from before: {files.cases}. "
        "Synthetic, not for diagnosis."
    )
    if report.values["failed"]:
        report.status = PARTLY_DONE
        report.warn(
            f"{len(report.values['failed'])} of {tally.total} results were left out; "
            f"{files.failures} says why. Correct the manifest or the scans, and continue with --resume."
        )


def _plan(rows: Sequence[ManifestRow], options: argparse.Namespace, request: TumorRequest, report: Report) -> None:
    """Says what the run will take and make."""
    import numpy as np

    from TumorGenCore.cohort.plan import draw_plan, make_plan
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.volumes.safe_write import check_file

    picture = None if options.plan is True else Path(options.plan)
    if picture is not None:
        check_file(picture)
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    workers = _local_count(options, rows, generator)
    plan = make_plan(generator, rows, request, workers, report.tell)
    if picture is not None:
        draw_plan(plan, picture)
    report.say(
        f"{plan.results} results: about {_duration(plan.hours)} with {workers} workers and "
        f"{_short(plan.gigabytes)} GB, as {plan.measured} results on trial took."
    )
    figures = {"diameter_mm": "Diameters, mm", "suv_max": "SUVmax"}
    report.say(f"{len(plan.lesions)} lesions drawn for {plan.drawn_results} results:")
    report.say("  " + ", ".join(f"{place}: {count}" for place, count in plan.places.items()))
    for name, title in figures.items():
        if len(values := plan.values(name)):
            low, middle, high = (_short(value) for value in np.quantile(values, [0.05, 0.5, 0.95]))
            report.say(f"  {title}: half below {middle}; nine in ten between {low} and {high}")
    for name, reason in plan.unusable.items():
        report.warn(f"{name}: will be left out. {reason}")
    report.values = {
        "results": plan.results,
        "hours": plan.hours,
        "gigabytes": plan.gigabytes,
        "workers": workers,
        "places": plan.places,
        **{name: plan.values(name).tolist() for name in figures},
        "unusable": plan.unusable,
    }


def _duration(hours: float) -> str:
    for unit, per_hour in (("seconds", 3600), ("minutes", 60)):
        if hours * per_hour < 120:
            return f"{_short(hours * per_hour)} {unit}"
    return f"{_short(hours)} hours"


def _short(value: float) -> str:
    """Returns a figure with the two or three digits that it means."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _make(
    rows: Sequence[ManifestRow],
    mine: Sequence[ManifestRow],
    options: argparse.Namespace,
    request: TumorRequest,
    tally: _Tally,
) -> None:
    """Makes the results of all rows or of a part, with the options as defaults."""
    from TumorGenCore.cohort.runner import synthesize
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    workers = _workers(options, mine, generator)
    if workers:
        tally.report.say(f"Workers: {len(workers)}.")
    synthesize(
        generator,
        rows,
        options.output,
        usual=request,
        resume=options.resume,
        part=options.part,
        workers=workers,
        on_outcome=tally.add,
        on_forewarnings=tally.warn,
    )


def _workers(options: argparse.Namespace, rows: Sequence[ManifestRow], generator: TumorGenerator) -> list[Worker]:
    """Returns the workers that the options ask for; none, if this process shall make the results."""
    from TumorGenCore.cohort.workers import local_workers

    if options.ray is not None:
        from TumorGenCore.cohort.ray_workers import ray_workers

        return list(ray_workers(options.ray, options.workers, options.model, options.device, options.output))
    count = _local_count(options, rows, generator)
    return list(local_workers(count, options.model, options.device, options.output))


def _local_count(options: argparse.Namespace, rows: Sequence[ManifestRow], generator: TumorGenerator) -> int:
    """Returns the number of workers of this machine."""
    from TumorGenCore.cohort.workers import usual_workers

    return options.workers or usual_workers(rows, generator.device.type)


class _Tally:
    """Counts outcomes in the values of the report and prints each outcome.

    A case gives one line of warnings at most: the table has all of them. The exception is what the user should know
    before the tumor grows; the same sentence is said once, even for thousands of scans.

    Args:
        report: report of the command.
        total: number of results to expect.
    """

    def __init__(self, report: Report, total: int) -> None:
        self.report, self.total = report, total
        report.values = {"made": 0, "kept": 0, "poor": 0, "missed": 0, "redrawn": 0, "failed": []}
        self._told: set[str] = set()
        self._bar = _bar(report, total)

    def warn(self, name: str, lines: Iterable[str], short: Sequence[str] = ()) -> None:
        """Prints warnings about a result in one line.

        Args:
            name: start of its file names.
            lines: warnings; those that another result had are left out.
            short: warnings that are said for each result.
        """
        new = [line for line in dict.fromkeys(lines) if line not in self._told]
        self._told.update(new)
        if new or short:
            self.report.warn(f"{name}: {' '.join([*new, *short])}")

    def add(self, outcome: Outcome) -> None:
        """Counts and prints an outcome; the work can stop here."""
        stems = [f"{outcome.name}_{seed}" for seed in outcome.seeds]
        values = self.report.values
        if outcome.record is None:
            values["failed"] += stems
            self.report.warn(f"{stems[0]}{f' to {stems[-1]}' * (len(stems) > 1)}: left out. {outcome.reason}")
        else:
            values["kept" if outcome.kept else "made"] += 1
            values["redrawn"] += int(outcome.record["redrawn"])
        kinds = {one.kind for one in outcome.shortcomings}
        short = []
        if outcome.record is not None and "poor" in kinds:
            values["poor"] += 1
            short.append(f"Poor quality, {float(outcome.record['quality']):.2f}.")
        if "missed" in kinds:
            values["missed"] += 1
            short.append("The wanted uptake or fill is missed.")
        long = {one.text for one in outcome.shortcomings if one.kind != "cut"}
        self.warn(stems[0], (line for line in outcome.warnings if line not in long), short)
        if self._bar is not None:
            self._bar.update(len(stems))
        elif outcome.record is not None:
            done = values["made"] + values["kept"] + len(values["failed"])
            self.report.say(f"{done}/{self.total} {stems[0]}: {'kept' if outcome.kept else _figures(outcome.record)}")
        self.report.interrupted.stop()

    def sum_up(self, table: Path) -> None:
        """Prints how many tumors were drawn again, and how many results are not what the user wants."""
        if redrawn := self.report.values["redrawn"]:
            self.report.say(f"Tumors drawn again, because they were poor: {redrawn}.")
        poor, missed, made = (self.report.values[name] for name in ("poor", "missed", "made"))
        if poor or missed:
            self.report.warn(
                f"Of {made} results, {poor} have a poor quality, and {missed} miss a wanted uptake or fill. The column "
                f"warnings of {table} says more."
            )

    def close(self) -> None:
        """Removes the progress bar."""
        if self._bar is not None:
            self._bar.close()


def _figures(record: Record) -> str:
    """Returns volume, SUVmax and quality of a result with the digits that they mean; the table has more."""
    suv_max = f"{float(record['suv_max']):.1f}" if record["suv_max"] else "-"
    return f"{float(record['volume_ml']):.3g} ml, SUVmax {suv_max}, quality {float(record['quality']):.2f}"


def _bar(report: Report, total: int) -> Any:
    """Returns a progress bar with the time left, or None if no user sees it move."""
    if not report.shows_progress or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(desc="synthesize", total=total, leave=False, unit="case")
