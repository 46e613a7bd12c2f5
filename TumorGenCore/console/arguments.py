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
from TumorGenCore.insertion.in_organ import DRAWN, InOrgan
from TumorGenCore.insertion.request import MASK_KINDS, TumorRequest, check_seeds
from TumorGenCore.method.solver_names import SOLVERS

if TYPE_CHECKING:
    from TumorGenCore.insertion.reference import Reference
    from TumorGenCore.volumes.geometry import Box

__all__ = [
    "add_device",
    "add_insertion_options",
    "add_least_quality",
    "add_mask",
    "add_model",
    "add_report_options",
    "add_sampling",
    "add_targets",
    "asked_box",
    "asked_organ",
    "asked_reference",
    "asked_seeds",
    "join_box",
    "lesion_number",
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


def lesion_number(text: str) -> int | str:
    """Parses the number of lesions: a whole number of at least 1, or ``DRAWN``."""
    if text != DRAWN and not text.lstrip("-").isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give a whole number of at least 1, or {DRAWN!r}")
    return text if text == DRAWN else positive_number(text)


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
    where.add_argument(
        "--in", dest="organ", metavar="ORGAN", help="an organ of --labels; the seed draws place and size"
    )
    parser.add_argument("--frame", choices=("ras", "lps"), default="ras", help="frame of --box (default: ras)")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="MAP",
        help="organs of the scan: a label map, a segmentation of 3D Slicer, or a folder of masks (TotalSegmentator)",
    )
    parser.add_argument(
        "--lesions",
        type=lesion_number,
        metavar="N",
        help="number of lesions in the organ of --in, or 'drawn' for a number as patients have (default: 1)",
    )
    parser.add_argument("--seed", type=seed_number, default=0, help="the same seed gives the same tumor (default: 0)")
    parser.add_argument(
        "--variants", type=positive_number, default=1, help="number of tumors, best first; seeds count up from --seed"
    )
    add_sampling(parser)
    add_least_quality(parser, "0.75 with --variants, else none; 0 keeps all tumors")
    add_targets(parser)
    add_mask(parser)
    parser.add_argument("--suv-factor", type=float, metavar="F", help="SUV per unit of voxel value")
    add_model(parser)
    add_device(parser)


def add_targets(parser: argparse.ArgumentParser) -> None:
    """Adds the options for uptake and size, at most one of each; None leaves it to the model."""
    uptake = parser.add_mutually_exclusive_group()
    uptake.add_argument("--suv-max", type=float, metavar="SUV", help="SUVmax of the tumor")
    uptake.add_argument("--suv-mean", type=float, metavar="SUV", help="SUVmean of the tumor")
    uptake.add_argument("--suv-peak", type=float, metavar="SUV", help="SUVpeak of the tumor, over a sphere of 1 ml")
    uptake.add_argument(
        "--to-background", type=float, metavar="RATIO", help="SUVmean over the median SUV of the tissue around the box"
    )
    uptake.add_argument(
        "--to-reference", type=float, metavar="RATIO", help="SUVmean over the mean SUV of the region of --reference"
    )
    parser.add_argument(
        "--reference", metavar="REGION", help="name or number of a label in --labels, such as liver, or a mask file"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--fill", type=float, metavar="SHARE", help="share of the box volume that the tumor fills")
    size.add_argument("--volume-ml", type=float, metavar="ML", help="volume of the tumor")
    size.add_argument("--diameter-mm", type=float, metavar="MM", help="diameter of a ball with the tumor's volume")


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

    It lacks a ratio to a reference region, for which the scan must be read first (``asked_reference``).

    Without ``--least-quality``, several variants must reach ``GOOD_QUALITY``. A single tumor has no least quality then,
    because the same seed must give the same tumor.
    """
    asked = dict(vars(options))
    if asked["least_quality"] is None and asked.get("variants", 1) > 1:
        from TumorGenCore.lesions.quality import GOOD_QUALITY  # here, because scipy slows the start of a command

        asked["least_quality"] = GOOD_QUALITY
    for name in ("to_reference", "reference"):
        asked.pop(name, None)
    with _wrong_usage(options):
        return TumorRequest.parse(asked)


def asked_reference(options: argparse.Namespace) -> Reference | None:
    """Returns the ratio to a reference region, if the user wants one; wrong usage is reported."""
    if (options.to_reference is None) != (options.reference is None):
        options.refuse("--to-reference and --reference go together; give both.")
    if options.to_reference is None:
        return None
    from TumorGenCore.insertion.reference import Reference  # here, because numpy slows the start of a command

    with _wrong_usage(options):
        return Reference.of(options.to_reference, options.reference, options.labels)


def asked_seeds(options: argparse.Namespace) -> range:
    """Returns one seed for each variant, from ``--seed`` on; seeds that are too large are reported as wrong usage."""
    seeds = range(options.seed, options.seed + options.variants)
    with _wrong_usage(options):
        check_seeds((seeds.start, seeds.stop - 1))
    return seeds


def asked_organ(options: argparse.Namespace) -> InOrgan | None:
    """Returns the place of ``--in``, if the user wants one; wrong usage is reported."""
    if options.organ is None:
        if options.lesions is not None:
            options.refuse("--lesions needs --in ORGAN --labels MAP; a box takes one tumor.")
        if options.labels is not None and options.reference is None:
            options.refuse("--labels is for --in or --reference; give one of them.")
        return None
    if options.labels is None:
        options.refuse("--in needs the organs of the scan: give --labels MAP too.")
    return InOrgan(options.organ, options.labels, None if options.lesions == DRAWN else options.lesions or 1)


def asked_box(options: argparse.Namespace) -> Box:
    """Returns the box of ``--box`` or ``--roi``; see ``asked_organ`` for a box in an organ.

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
