"""Options that front ends share, and the requests that they lead to.

This module imports neither numpy nor torch, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import MASK_KINDS, TumorRequest, check_seeds
from TumorGenCore.method.solver_names import SOLVERS

if TYPE_CHECKING:
    from TumorGenCore.volumes.geometry import Box

__all__ = [
    "add_device",
    "add_insertion_options",
    "add_least_quality",
    "add_mask",
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
    """Parses a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is too small; give at least 1")
    return value


def seed_number(text: str) -> int:
    """Parses a seed of the noise."""
    value = int(text)
    try:
        check_seeds([value])
    except InvalidRequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return value


def join_box(arguments: Sequence[str]) -> list[str]:
    """Turns ``--box -10,20,...`` into ``--box=-10,20,...``, because argparse takes a leading minus for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--box":
            joined[-1] = f"--box={argument}"
        else:
            joined.append(argument)
    return joined


def add_report_options(parser: argparse.ArgumentParser, json_file: bool = False) -> None:
    """Adds the report options of every command, and sets how it refuses a wrong value.

    Args:
        parser: parser that gets the options.
        json_file: whether ``--json`` takes a file for the object, because other programs print on stdout too.
    """
    parser.set_defaults(refuse=parser.error)
    parser.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    if json_file:
        parser.add_argument("--json", type=Path, metavar="FILE", help="write one JSON object to a file, for machines")
    else:
        parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def add_insertion_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options for place, number, seeds and kind of the tumors, and for the model."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--box", metavar="CX,CY,CZ,SX,SY,SZ", help="center and edge lengths of the box, mm")
    where.add_argument("--roi", type=Path, metavar="ROI.mrk.json", help="an ROI saved by 3D Slicer")
    parser.add_argument("--frame", choices=("ras", "lps"), default="ras", help="frame of --box (default: ras)")
    parser.add_argument("--seed", type=seed_number, default=0, help="the same seed gives the same tumor (default: 0)")
    parser.add_argument(
        "--variants", type=positive_number, default=1, help="number of tumors, best first; seeds count up from --seed"
    )
    add_sampling(parser)
    add_least_quality(parser, "0.9 with --variants, else none; 0 keeps all tumors")
    uptake = parser.add_mutually_exclusive_group()
    uptake.add_argument("--suv-max", type=float, metavar="SUV", help="SUVmax of the tumor")
    uptake.add_argument("--suv-mean", type=float, metavar="SUV", help="SUVmean of the tumor")
    parser.add_argument("--fill", type=float, metavar="SHARE", help="share of the box volume that the tumor fills")
    add_mask(parser)
    parser.add_argument("--suv-factor", type=float, metavar="F", help="SUV per unit of voxel value")
    add_model(parser)
    add_device(parser)


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """Adds ``--steps`` and ``--solver``; None means the value of the model."""
    parser.add_argument("--steps", type=int, help="sampling steps (default: set by the model)")
    parser.add_argument("--solver", choices=SOLVERS, help="sampling method (default: set by the model)")


def add_least_quality(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds ``--least-quality``: tumors below this quality are drawn again.

    Args:
        parser: parser that gets the option.
        default: text for the help about what happens without the option.
    """
    parser.add_argument(
        "--least-quality",
        type=float,
        metavar="Q",
        help=f"replace tumors below this quality (0 to 1) by tumors of other seeds (default: {default})",
    )


def add_mask(parser: argparse.ArgumentParser) -> None:
    """Adds ``--mask``; None means a mask of the uptake."""
    parser.add_argument(
        "--mask", choices=MASK_KINDS, help="mask of the uptake, or as a reader might draw it (default: metabolic)"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds ``--model``; the environment variable TUMORGEN_MODEL sets its default."""
    bundle = os.environ.get("TUMORGEN_MODEL", DEFAULT_BUNDLE)
    parser.add_argument("--model", default=bundle, help="name or folder of a model bundle (default: %(default)s)")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Adds ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")


def tumor_request(options: argparse.Namespace) -> TumorRequest:
    """Returns the request that the options lead to; a value that cannot be used is reported as wrong usage.

    Without ``--least-quality``, several variants must reach ``GOOD_QUALITY``. A single tumor has no least quality then,
    because the same seed must give the same tumor.
    """
    asked = dict(vars(options))
    if asked["least_quality"] is None and asked.get("variants", 1) > 1:
        from TumorGenCore.lesions.quality import GOOD_QUALITY  # here, because scipy slows the start of a command

        asked["least_quality"] = GOOD_QUALITY
    with _wrong_usage(options):
        return TumorRequest.parse(asked)


def asked_seeds(options: argparse.Namespace) -> range:
    """Returns one seed for each variant, from ``--seed`` on; seeds that are too large are reported as wrong usage."""
    seeds = range(options.seed, options.seed + options.variants)
    with _wrong_usage(options):
        check_seeds((seeds.start, seeds.stop - 1))
    return seeds


def asked_box(options: argparse.Namespace) -> Box:
    """Returns the box of ``--box`` or ``--roi``.

    Raises:
        InvalidBoxError: the box cannot be read or used.
    """
    from TumorGenCore.volumes.markups import parse_box, read_box

    return read_box(options.roi) if options.roi else parse_box(options.box, options.frame)


@contextmanager
def _wrong_usage(options: argparse.Namespace) -> Iterator[None]:
    """Ends the program with a usage error if a value is refused."""
    try:
        yield
    except InvalidRequestError as error:
        options.refuse(str(error))
