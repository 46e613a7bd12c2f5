"""What command lines of TumorGen have in common: kinds of arguments, each refused with what it should be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from TumorGenCore.method.solver_names import SOLVERS

if TYPE_CHECKING:
    from TumorGenCore.insertion.uptake_control import UptakeTarget

__all__ = [
    "add_least_quality",
    "add_sampling",
    "add_tumor_wishes",
    "join_box",
    "least_quality",
    "positive_number",
    "seed_number",
    "share",
    "uptake_target",
]


def positive_number(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def seed_number(text: str) -> int:
    """A seed of the noise: 0 to 2^63 - 1."""
    value = int(text)
    if not 0 <= value < 2**63:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 2^63 - 1")
    return value


def share(text: str) -> float:
    """A number between 0 and 1, neither of them."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
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


def add_tumor_wishes(parser: argparse.ArgumentParser) -> None:
    """``--suv-max`` or ``--suv-mean``: how hot the tumor shall be; ``--fill``: how much of the box it shall fill."""
    uptake = parser.add_mutually_exclusive_group()
    uptake.add_argument("--suv-max", type=float, metavar="SUV", help="SUVmax the tumor shall have")
    uptake.add_argument("--suv-mean", type=float, metavar="SUV", help="SUVmean the tumor shall have")
    parser.add_argument("--fill", type=share, metavar="SHARE", help="share of the box's volume that shall be tumor")


def uptake_target(options: argparse.Namespace) -> UptakeTarget | None:
    """What the options of ``add_tumor_wishes`` ask for.

    Raises:
        ValueError: an SUV that is not a positive number.
    """
    from TumorGenCore.insertion.uptake_control import UptakeTarget  # here: scipy would slow every command's start

    if options.suv_max is not None:
        return UptakeTarget("max", options.suv_max)
    return None if options.suv_mean is None else UptakeTarget("mean", options.suv_mean)


def quality_number(text: str) -> float:
    """A quality: 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """``--steps`` and ``--solver``, None where the model's own is taken."""
    parser.add_argument("--steps", type=positive_number, help="sampling steps (default: the model's own)")
    parser.add_argument("--solver", choices=SOLVERS, help="default: the model's own")


def add_least_quality(
    parser: argparse.ArgumentParser, default: str = "0.9 with --variants, none without; 0 takes all"
) -> None:
    """``--least-quality``: how good a tumor must be, or it is drawn again.

    Args:
        parser: to add it to.
        default: what happens without it, for the help.
    """
    parser.add_argument(
        "--least-quality",
        type=quality_number,
        metavar="Q",
        help=f"draw tumors of a lower quality (0 to 1) again, with other seeds (default: {default})",
    )


def least_quality(options: argparse.Namespace) -> float | None:
    """What ``--least-quality`` asks for; without it, ``GOOD_QUALITY`` where several variants are made.

    One tumor of one seed is not drawn again unless asked for: the same seed gives the same tumor.
    """
    from TumorGenCore.lesions.quality import GOOD_QUALITY  # here: scipy would slow every command's start

    if options.least_quality is None and options.variants > 1:
        return GOOD_QUALITY
    asked: float | None = options.least_quality
    return asked
