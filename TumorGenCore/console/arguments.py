"""Options that front ends share, and what the options ask for. Imports neither numpy nor torch: help shall be quick."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import TumorRequest, check_seeds
from TumorGenCore.method.solver_names import SOLVERS

if TYPE_CHECKING:
    from TumorGenCore.volumes.geometry import Box

__all__ = [
    "add_device",
    "add_insertion_options",
    "add_least_quality",
    "add_model",
    "add_report_options",
    "add_sampling",
    "asked_box",
    "asked_seeds",
    "join_box",
    "positive_number",
    "seed_number",
    "tumor_request",
]


def positive_number(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def seed_number(text: str) -> int:
    """A seed of the noise."""
    value = int(text)
    try:
        check_seeds([value])
    except InvalidRequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def join_box(arguments: Sequence[str]) -> list[str]:
    """``--box -10,20,...`` means ``--box=-10,20,...``: argparse takes a leading minus for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--box":
            joined[-1] = f"--box={argument}"
        else:
            joined.append(argument)
    return joined


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """What every command has: how it reports, and how it refuses a value."""
    parser.set_defaults(refuse=parser.error)
    parser.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.add_argument("--debug", action="store_true", help="show the traceback of what failed")


def add_insertion_options(parser: argparse.ArgumentParser) -> None:
    """Where tumors shall be, how many, of which seeds and kind, and by which model."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--box", metavar="CX,CY,CZ,SX,SY,SZ", help="center and edge lengths, mm")
    where.add_argument("--roi", type=Path, metavar="ROI.mrk.json", help="an ROI saved by 3D Slicer")
    parser.add_argument("--frame", choices=("ras", "lps"), default="ras", help="frame of --box (default: ras)")
    parser.add_argument("--seed", type=seed_number, default=0, help="the same seed gives the same tumor (default: 0)")
    parser.add_argument(
        "--variants", type=positive_number, default=1, help="how many, the best first; seeds count up from --seed"
    )
    add_sampling(parser)
    add_least_quality(parser, "0.9 with --variants, none without; 0 takes all")
    uptake = parser.add_mutually_exclusive_group()
    uptake.add_argument("--suv-max", type=float, metavar="SUV", help="SUVmax the tumor shall have")
    uptake.add_argument("--suv-mean", type=float, metavar="SUV", help="SUVmean the tumor shall have")
    parser.add_argument("--fill", type=float, metavar="SHARE", help="share of the box's volume that shall be tumor")
    parser.add_argument("--suv-factor", type=float, metavar="F", help="SUV per unit of the image")
    add_model(parser)
    add_device(parser)


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """``--steps`` and ``--solver``, None where the model's own is taken."""
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's own)")
    parser.add_argument("--solver", choices=SOLVERS, help="default: the model's own")


def add_least_quality(parser: argparse.ArgumentParser, default: str) -> None:
    """``--least-quality``: how good a tumor must be, or it is drawn again.

    Args:
        parser: to add it to.
        default: what happens without it, for the help.
    """
    parser.add_argument(
        "--least-quality",
        type=float,
        metavar="Q",
        help=f"draw tumors of a lower quality (0 to 1) again, with other seeds (default: {default})",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--model``; the environment's TUMORGEN_MODEL is its default."""
    bundle = os.environ.get("TUMORGEN_MODEL", DEFAULT_BUNDLE)
    parser.add_argument("--model", default=bundle, help="bundle name or folder (default: %(default)s)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")


def tumor_request(options: argparse.Namespace) -> TumorRequest:
    """What the options ask of a tumor; a value that cannot be used is wrong usage.

    Without ``--least-quality``, ``GOOD_QUALITY`` is asked for where several variants are made. One tumor of one seed is
    not drawn again unless asked for: the same seed gives the same tumor.
    """
    asked = dict(vars(options))
    if asked["least_quality"] is None and asked.get("variants", 1) > 1:
        from TumorGenCore.lesions.quality import GOOD_QUALITY  # here: scipy would slow every command's start

        asked["least_quality"] = GOOD_QUALITY
    with _wrong_usage(options):
        return TumorRequest.parse(asked)


def asked_seeds(options: argparse.Namespace) -> range:
    """One seed a variant, from ``--seed`` on; more than there are is wrong usage."""
    seeds = range(options.seed, options.seed + options.variants)
    with _wrong_usage(options):
        check_seeds((seeds.start, seeds.stop - 1))
    return seeds


def asked_box(options: argparse.Namespace) -> Box:
    """The box of ``--box`` or ``--roi``.

    Raises:
        InvalidBoxError: neither leads to a box that can be used.
    """
    from TumorGenCore.volumes.markups import parse_box, read_box

    return read_box(options.roi) if options.roi else parse_box(options.box, options.frame)


@contextmanager
def _wrong_usage(options: argparse.Namespace) -> Iterator[None]:
    """A refused value ends the program as any other wrong usage does."""
    try:
        yield
    except InvalidRequestError as error:
        options.refuse(str(error))
