"""Options that several commands have, and the settings that they lead to."""

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
    "need_classifiers",
    "new_command",
    "run_settings",
]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def new_command(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    """Returns the parser of a new command, with the options that all commands have."""
    parser = commands.add_parser(name, help=summary)
    add_report_options(parser)
    return parser


def add_data(parser: argparse.ArgumentParser, what: str = "*_image.nii.gz and *_mask.nii.gz (SUV)") -> None:
    """Adds ``--data``, the folder of the cases."""
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {what}")


def add_autoencoder(parser: argparse.ArgumentParser) -> None:
    """Adds ``--autoencoder``."""
    parser.add_argument(
        "--autoencoder", type=Path, required=True, help="output folder of `train autoencoder`, or a model bundle"
    )


def add_segmenter(parser: argparse.ArgumentParser) -> None:
    """Adds ``--segmenter``, the network that should treat synthetic and real tumors alike."""
    parser.add_argument(
        "--segmenter", type=Path, required=True, metavar="DIR", help="output folder of `train segmenter`"
    )


def add_site_seeds(parser: argparse.ArgumentParser) -> None:
    """Adds ``--seeds``, the number of tumors for each site."""
    parser.add_argument("--seeds", type=positive_number, default=3, help="seeds for each site (default: 3)")


def names_of(text: str | None) -> list[str] | None:
    """Splits ``A,B,...`` into names; returns None if the text is empty or None."""
    return text.split(",") if text else None


def need_classifiers() -> None:
    """Refuses a command that consists of the two-sample test, if its packages are missing.

    Raises:
        TrainingDataError: a package is missing; the message says how to install it.
    """
    from TumorGenCore.errors import TrainingDataError
    from TumorGenCore.evaluation.features.left_out import LeftOutError
    from TumorGenCore.evaluation.themes.told_apart import check_classifiers

    try:
        check_classifiers()
    except LeftOutError as error:
        raise TrainingDataError(str(error)) from error


def run_settings(kind: type, options: argparse.Namespace, default: Path | None = None) -> Any:
    """Returns the settings of a run: from --config, else from the run to resume, else the defaults.

    ``--steps`` overrides the steps of these settings.

    Args:
        kind: dataclass of the settings, with a ``loop``.
        options: parsed options with ``config``, ``output``, ``resume``, ``steps`` and ``stage``; a run writes its
            settings to a file named after the stage.
        default: configuration file to use instead of the defaults of ``kind``.
    """
    from TumorGenCore.training.config import read_config

    left = options.output / f"{options.stage}.json"
    config = options.config or (left if options.resume and left.is_file() else default)
    run = read_config(kind, config) if config else kind()
    if options.steps is not None:
        run = dataclasses.replace(run, loop=dataclasses.replace(run.loop, steps=options.steps))
    return run
