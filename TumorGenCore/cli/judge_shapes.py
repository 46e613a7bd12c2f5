"""`tumorgen judge-shapes`: tells masks of synthetic tumors from shapes of the field."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, add_data, need_classifiers, new_command
from TumorGenCore.console.arguments import add_device, add_model, positive_number
from TumorGenCore.console.report import Report

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "judge-shapes", "tell masks of synthetic tumors from real shapes of other sources")
    add_data(parser)
    parser.add_argument("--shapes", type=Path, metavar="DIR", help="folder of the shapes (default: shapes in --data)")
    parser.add_argument("--output", type=Path, required=True, help="folder for the report")
    add_model(parser)
    add_device(parser)
    parser.add_argument("--seeds", type=positive_number, default=1, help="tumors for each box (default: 1)")
    parser.set_defaults(run=_judge_shapes)


def _judge_shapes(options: argparse.Namespace, report: Report) -> None:
    need_classifiers()
    from TumorGenCore.evaluation.studies.shapes_judged import judge_shapes
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    result = judge_shapes(generator, options.data, options.output, options.shapes, options.seeds, report.tell)
    report.values = {"tests": result["tests"], "report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())
