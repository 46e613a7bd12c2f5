"""`tumorgen evaluate`: reports figures and pictures on patients that the training did not see."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, add_data, add_site_seeds, names_of, new_command
from TumorGenCore.console.arguments import add_device, add_model, positive_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "evaluate", "report figures and pictures on held-out patients")
    add_data(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the report")
    parser.add_argument("--cases", metavar="A,B,...", help="cases (default: those that the bundle held out)")
    add_model(parser)
    add_device(parser)
    add_site_seeds(parser)
    parser.add_argument("--steps", type=positive_number, help="sampling steps (default: set by the model)")
    parser.add_argument(
        "--field-statistics",
        type=Path,
        metavar="FILE",
        help="JSON file with lesion quantiles of large data sets, to show beside the figures",
    )
    parser.add_argument(
        "--segmenter", type=Path, metavar="DIR", help="output folder of `train segmenter`, to compare with real tumors"
    )
    parser.add_argument(
        "--inception",
        type=Path,
        metavar="FILE",
        help="weights of Inception (TorchScript); adds a distance of FID features",
    )
    parser.add_argument(
        "--anatomy", type=Path, metavar="DIR", help="label maps of bodies (.npz); adds tumors in their organs"
    )
    parser.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.evaluation.report import EvaluationPlan, evaluate
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    segmenter = None
    if options.segmenter:
        from TumorGenCore.training.stages.segmenter import load_segmenter

        segmenter = load_segmenter(options.segmenter, options.device)
    plan = EvaluationPlan(
        options.data,
        options.output,
        names_of(options.cases),
        options.seeds,
        options.steps,
        options.field_statistics,
        options.inception,
        options.anatomy,
    )
    result = evaluate(generator, plan, segmenter, report.tell)
    report.values = {**result["means"], "synthetic_minus_real": result["realism"]["equality"]}
    report.say((options.output / "report.md").read_text())
