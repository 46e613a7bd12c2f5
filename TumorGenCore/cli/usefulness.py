"""`tumorgen usefulness`: what synthetic tumors do for a segmenter that has few real ones."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from TumorGenCore.cli.options import Commands, add_data, new_command
from TumorGenCore.console.arguments import add_device, add_model, positive_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Add the command to the program's."""
    summary = "segmenters with few real patients, without and with synthetic tumors"
    parser = new_command(commands, "usefulness", summary)
    add_data(parser, "the bundle's cases, as for `train`")
    add_model(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder of the runs and the report")
    parser.add_argument("--config", type=Path, help="JSON of all settings (default: Resources/Training)")
    parser.add_argument("--seeds", type=positive_number, help="segmenters an arm, overriding the configuration")
    parser.add_argument("--patients", type=positive_number, help="how many real patients the few are")
    parser.add_argument("--steps", type=positive_number, help="optimizer steps of each segmenter")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
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
