"""`tumorgen usefulness`: measures how synthetic tumors help a segmenter with few real ones."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from TumorGenCore.cli.options import Commands, add_data, new_command
from TumorGenCore.console.arguments import add_device, add_model, positive_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    summary = "train segmenters on few real patients, with and without synthetic tumors"
    parser = new_command(commands, "usefulness", summary)
    add_data(parser, "the cases of the bundle, as for `train`")
    add_model(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs and the report")
    parser.add_argument("--config", type=Path, help="JSON file of all settings (default: in Resources/Training)")
    parser.add_argument(
        "--seeds", type=positive_number, help="segmenters in each arm, instead of the configured number"
    )
    parser.add_argument("--patients", type=positive_number, help="number of real patients")
    parser.add_argument("--steps", type=positive_number, help="optimizer steps of each segmenter")
    parser.add_argument("--resume", action="store_true", help="continue the run in --output")
    add_device(parser)
    parser.set_defaults(run=_usefulness, stage="usefulness")


def _usefulness(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.evaluation.studies.usefulness import UsefulnessRun, usefulness
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.training.config import default_config, read_config

    left = options.output / f"{options.stage}.json"
    settled = left if options.resume and left.is_file() else default_config(options.stage)
    run = read_config(UsefulnessRun, options.config or settled)
    asked = {name: getattr(options, name) for name in ("seeds", "patients") if getattr(options, name) is not None}
    run = dataclasses.replace(run, **asked)
    if options.steps is not None:
        loop = dataclasses.replace(run.segmenter.loop, steps=options.steps)
        run = dataclasses.replace(run, segmenter=dataclasses.replace(run.segmenter, loop=loop))
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    quiet = not report.shows_progress
    usefulness(generator, options.data, options.output, run, options.resume, report.tell, quiet)
    report.values = {"report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())
