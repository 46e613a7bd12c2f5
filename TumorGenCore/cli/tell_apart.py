"""`tumorgen tell-apart`: tries settings on training patients, by the two-sample test."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, add_data, need_classifiers, new_command
from TumorGenCore.console.arguments import add_device, add_model, positive_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "tell-apart", "tell synthetic tumors from real ones, to choose settings")
    add_data(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the report")
    parser.add_argument(
        "--patients",
        choices=("training", "held-out", "all"),
        default="training",
        help="patients of the bundle (default: training)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SETTINGS",
        help="settings to try beside those of the bundle, as 'uptake.spread=0.6 fill.median=0.15'; may be repeated",
    )
    parser.add_argument(
        "--tumors",
        action="append",
        default=[],
        type=_named_folder,
        metavar="NAME=FOLDER",
        help="tumors of another program at the same sites, as SITE_seedN_image.nii.gz and SITE_seedN_mask.nii.gz; may "
        "be repeated",
    )
    parser.add_argument("--no-references", action="store_true", help="leave out copy-paste and rule-based tumors")
    parser.add_argument(
        "--limits",
        action="store_true",
        help="also test real tumors after patch, VAE and noise, which tell what the vector field is not to blame for",
    )
    add_model(parser)
    add_device(parser)
    parser.add_argument("--seeds", type=positive_number, default=2, help="seeds for each box (default: 2)")
    parser.set_defaults(run=_tell_apart)


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER")
    return name, Path(folder)


def _tell_apart(options: argparse.Namespace, report: Report) -> None:
    need_classifiers()
    from TumorGenCore.evaluation.studies.telling_apart import tell_apart
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    result = tell_apart(
        generator,
        options.data,
        options.output,
        options.patients,
        options.set,
        dict(options.tumors),
        options.seeds,
        not options.no_references,
        options.limits,
        report.tell,
    )
    report.values = {"masks": result["masks"], "report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())
