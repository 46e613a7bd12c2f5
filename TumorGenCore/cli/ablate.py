"""`tumorgen ablate`: trains and compares generator variants that differ in one thing each."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import (
    Commands,
    add_autoencoder,
    add_data,
    add_segmenter,
    add_site_seeds,
    names_of,
    new_command,
    run_settings,
)
from TumorGenCore.console.arguments import add_device, positive_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    summary = "train and compare short generator runs that differ in one thing each"
    parser = new_command(commands, "ablate", summary)
    add_data(parser)
    add_autoencoder(parser)
    add_segmenter(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the runs and the report")
    parser.add_argument("--config", type=Path, help="JSON file of generator settings (default: in Resources/Training)")
    parser.add_argument("--steps", type=positive_number, help="optimizer steps, instead of those in the configuration")
    parser.add_argument("--only", metavar="NAME,...", help="only these variants (see docs/results.md#ablation)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --output")
    add_site_seeds(parser)
    add_device(parser)
    parser.set_defaults(run=_ablate, stage="ablation")


def _ablate(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.evaluation.studies.ablation import AblationPlan, ablate
    from TumorGenCore.training.config import GeneratorRun, default_config
    from TumorGenCore.training.stages.segmenter import load_segmenter

    run = run_settings(GeneratorRun, options, default_config(options.stage))
    plan = AblationPlan(options.data, options.autoencoder, options.output, run, names_of(options.only), options.seeds)
    segmenter = load_segmenter(options.segmenter, options.device)
    result = ablate(plan, segmenter, options.resume, options.device, report.tell, not report.shows_progress)
    report.values = {"variants": list(result["variants"]), "report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())
