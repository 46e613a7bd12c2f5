"""A report leaves out values that cannot be computed, and gives the reason."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["LeftOutError", "or_reason"]


class LeftOutError(Exception):
    """A value cannot be computed from these lesions. The report shows the text of the error as the reason."""


def or_reason(measure: Callable[[], dict]) -> dict:
    """Returns the result of ``measure``, or ``left_out`` with the reason if it raises ``LeftOutError``."""
    try:
        return measure()
    except LeftOutError as reason:
        return {"left_out": str(reason)}
