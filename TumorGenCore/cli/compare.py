"""`tumorgen compare`: compares a bundle with other methods."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, add_data, add_segmenter, add_site_seeds, new_command
from TumorGenCore.console.arguments import add_device, add_model
from TumorGenCore.console.report import Report

__all__ = ["add_command"]

#: Kinds of trained rivals, in the order of the report.
_KINDS = ("diffusion", "unconditional", "whole-diffusion", "gan")


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "compare", "compare a bundle with other methods in one run")
    add_data(parser)
    add_model(parser)
    add_segmenter(parser)
    for kind in _KINDS:
        parser.add_argument(f"--{kind}", type=Path, metavar="DIR", help=f"output folder of `train rival --kind {kind}`")
    parser.add_argument("--output", type=Path, required=True, help="folder for the report")
    add_site_seeds(parser)
    add_device(parser)
    parser.set_defaults(run=_compare)


def _compare(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.evaluation.studies.comparison import compare
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.training.stages.rival import load_rival
    from TumorGenCore.training.stages.segmenter import load_segmenter

    folders = {kind: getattr(options, kind.replace("-", "_")) for kind in _KINDS}
    trained = [load_rival(folder, kind, options.device) for kind, folder in folders.items() if folder]
    segmenter = load_segmenter(options.segmenter, options.device)
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    result = compare(generator, options.data, options.output, segmenter, trained, options.seeds, report.tell)
    report.values = {"seconds": result["seconds"], "report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())
