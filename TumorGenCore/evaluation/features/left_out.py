"""Figures that cannot be computed are left out of a report, which then gives the reason."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["LeftOutError", "or_reason"]


class LeftOutError(Exception):
    """A figure cannot be computed from these lesions. The report gives the error's text as the reason."""


def or_reason(measure: Callable[[], dict]) -> dict:
    """What ``measure`` returns, or ``left_out`` with the reason where it raises ``LeftOutError``."""
    try:
        return measure()
    except LeftOutError as reason:
        return {"left_out": str(reason)}
