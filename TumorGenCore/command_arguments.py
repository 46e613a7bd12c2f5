"""What command lines of TumorGen have in common: kinds of arguments, each refused with what it should be."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

__all__ = ["join_box", "positive_number", "seed_number"]


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


def join_box(arguments: Sequence[str]) -> list[str]:
    """``--box -10,20,...`` means ``--box=-10,20,...``: argparse takes a leading minus for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--box":
            joined[-1] = f"--box={argument}"
        else:
            joined.append(argument)
    return joined
