"""Options that several commands have, and what they lead to."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any, TypeAlias

from TumorGenCore.console.arguments import add_report_options, positive_number

__all__ = [
    "Commands",
    "add_autoencoder",
    "add_data",
    "add_segmenter",
    "add_site_seeds",
    "names_of",
    "new_command",
    "run_settings",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def new_command(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    """The parser of a new command, with the options that all have."""
    parser = commands.add_parser(name, help=summary)
    add_report_options(parser)
    return parser


def add_data(parser: argparse.ArgumentParser, what: str = "*_image.nii.gz and *_mask.nii.gz (SUV)") -> None:
    """``--data``, a folder."""
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {what}")


def add_autoencoder(parser: argparse.ArgumentParser) -> None:
    """``--autoencoder``."""
    parser.add_argument(
        "--autoencoder", type=Path, required=True, help="output folder of `train autoencoder`, or a model bundle"
    )


def add_segmenter(parser: argparse.ArgumentParser) -> None:
    """``--segmenter``, the judge of masks."""
    parser.add_argument("--segmenter", type=Path, required=True, metavar="DIR", help="output of `train segmenter`")


def add_site_seeds(parser: argparse.ArgumentParser) -> None:
    """``--seeds``: tumors a site."""
    parser.add_argument("--seeds", type=positive_number, default=3, help="seeds per site (default: 3)")


def names_of(text: str | None) -> list[str] | None:
    """``A,B,...`` as names; None where none is given."""
    return text.split(",") if text else None


def run_settings(kind: type, options: argparse.Namespace, default: Path | None = None) -> Any:
    """The configuration file, else the one a resumed run left, else the defaults; --steps overrides.

    Args:
        kind: of the settings, a dataclass with a ``loop``.
        options: with ``config``, ``output``, ``resume``, ``steps``, and the ``stage`` that names the file a run leaves.
        default: configuration in the place of the defaults.
    """
    from TumorGenCore.training.config import read_config

    left = options.output / f"{options.stage}.json"
    config = options.config or (left if options.resume and left.is_file() else default)
    run = read_config(kind, config) if config else kind()
    if options.steps is not None:
        run = dataclasses.replace(run, loop=dataclasses.replace(run.loop, steps=options.steps))
    return run
