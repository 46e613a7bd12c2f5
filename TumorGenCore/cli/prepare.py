"""`tumorgen prepare`: makes training cases from a public release."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.report import Report
from TumorGenCore.console.running import PARTLY_DONE
from TumorGenCore.training.data.release_layouts import LAYOUTS, PATIENT_PATTERNS, TRACERS

if TYPE_CHECKING:
    from TumorGenCore.training.data.prepare import Prepared
    from TumorGenCore.training.data.release_layouts import Release

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "prepare", "make training cases from a public release (see docs/training.md)")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of the release")
    parser.add_argument("--layout", choices=LAYOUTS, required=True, help="release whose names the files have")
    parser.add_argument("--output", type=Path, required=True, metavar="CASES", help="folder for the cases")
    parser.add_argument("--tracer", choices=TRACERS, help="autopet only: tracer of the scans (default: fdg)")
    parser.add_argument(
        "--diagnosis", metavar="NAME", help="autopet only: take scans with this diagnosis in fdg_metadata.csv"
    )
    parser.add_argument(
        "--lung-crop",
        type=Path,
        metavar="MAPS",
        help="crop to 200x200x100 voxels around the lungs; folder with CASE.nii.gz or CASE/lung_*_lobe_*.nii.gz of "
        "TotalSegmentator",
    )
    parser.set_defaults(run=_prepare)


def _prepare(options: argparse.Namespace, report: Report) -> None:
    if options.layout != "autopet" and (options.tracer or options.diagnosis):
        options.refuse("--tracer and --diagnosis belong to --layout autopet")
    from TumorGenCore.cohort.output_folder import check_output_folder, clear_leftovers, only_run
    from TumorGenCore.training.data.prepare import check_before_preparing, prepare_cases
    from TumorGenCore.training.data.release_layouts import find_scans, with_diagnosis

    release = find_scans(options.source, options.layout, options.tracer or "fdg")
    scans = release.scans
    if options.diagnosis:
        scans = with_diagnosis(scans, options.source, options.diagnosis)
    check_output_folder(options.output, resume=True)
    check_before_preparing(scans, options.output, options.lung_crop)
    report.plain_progress = True
    options.output.mkdir(exist_ok=True)
    with only_run(options.output):
        clear_leftovers(options.output)
        prepared = prepare_cases(
            scans,
            options.source,
            options.output,
            options.lung_crop,
            lambda done, total: report.progress(done, total, "Preparing cases"),
        )
    _sum_up(prepared, release, options, report)


def _sum_up(prepared: Prepared, release: Release, options: argparse.Namespace, report: Report) -> None:
    """Says what was made, what was left out and how patients are told apart."""
    from TumorGenCore.training.data.prepare import CASES_FILE

    pattern = PATIENT_PATTERNS[options.layout]
    report.values = {
        "made": prepared.made,
        "kept": prepared.kept,
        "left_out": [case for case, _ in prepared.left_out],
        "unlabeled": release.unlabeled,
        "other_tracer": release.other_tracer,
        "table": str(options.output / CASES_FILE),
        "patient_pattern": pattern,
    }
    for case, reason in prepared.left_out:
        report.warn(f"{case}: left out. {reason}")
    for remark, count in prepared.remarks.items():
        report.warn(f"{count} cases: {remark}")
    for count, what in ((release.unlabeled, "have no mask"), (release.other_tracer, "have another tracer")):
        if count:
            report.say(f"{count} PET images {what} and are not taken.")
    report.say(f"{prepared.made} cases made, {prepared.kept} kept from before: {options.output / CASES_FILE}")
    report.say(f'Settings that keep patients apart: {{"data": {{"patient_pattern": {json.dumps(pattern)}}}}}')
    if prepared.left_out:
        report.status = PARTLY_DONE
