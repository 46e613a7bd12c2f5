"""`tumorgen export`: gives a finished folder of `synthesize` the format of another tool."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.report import Report

__all__ = ["add_command"]

#: As in ``cohort.exports.export``, which the help does not import.
_FORMATS = ("nnunet", "bids", "monai", "croissant")


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "export", "give results of synthesize another format (see docs/exports.md)")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="finished folder of `tumorgen synthesize`")
    parser.add_argument("--format", choices=_FORMATS, required=True, help="format of the export")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="new folder; for nnunet the folder nnUNet_raw"
    )
    parser.add_argument("--name", default="TumorGen", help="name of the data set (default: TumorGen)")
    parser.add_argument("--no-ct", action="store_true", help="leave the CT out")
    parser.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="its first group is the patient in the name of a scan (default: each scan is a patient)",
    )
    parser.add_argument("--folds", type=int, default=5, help="folds of nnunet and monai, at most (default: 5)")
    parser.add_argument("--dataset-id", type=int, default=501, help="number of the nnU-Net data set (default: 501)")
    parser.add_argument("--license", default="", help="license of the data, as text or address")
    parser.add_argument("--source", default="", help="where the scans come from: text, address or doi:...")
    parser.add_argument("--copy", action="store_true", help="copy the files; else they are hard links where possible")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.cohort.exports.export import export_cohort
    from TumorGenCore.cohort.exports.request import ExportRequest

    request = ExportRequest(
        name=options.name,
        with_ct=not options.no_ct,
        patient_pattern=options.patient_pattern,
        folds=options.folds,
        copy=options.copy,
        license=options.license,
        source=options.source,
        dataset_id=options.dataset_id,
    )
    made = export_cohort(options.folder, options.output, options.format, request, report.progress)
    report.values = {**asdict(made), "folder": str(made.folder), "format": options.format}
    del report.values["warnings"]  # the report has its own
    for warning in made.warnings:
        report.warn(warning)
    report.say(
        f"{made.results} results with {made.lesions} lesions of {made.patients} patients: {made.folder}. "
        "Synthetic, not for diagnosis."
    )
