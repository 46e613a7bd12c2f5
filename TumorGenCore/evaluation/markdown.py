"""Markdown of the reports: tables, and values with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["distance_cells", "estimate", "mean_cell", "number", "percent", "short", "spread", "table_lines"]


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a table, and an empty line after it.

    Args:
        head: titles of the columns.
        rows: rows with one cell per column.
    """
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    return [*lines, *[f"| {' | '.join(row)} |" for row in rows], ""]


def number(value: float | None, digits: int = 2) -> str:
    """Formats a value with this number of decimals; None is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def short(value: float | None) -> str:
    """Formats a value like ``number``, with two decimals below 10, one below 100, and none from 100."""
    size = abs(value or 0)
    return number(value, 2 if size < 10 else 1 if size < 100 else 0)


def percent(share: float) -> str:
    """Formats a share from 0 to 1 in whole percent."""
    return f"{number(100 * share, 0)} %"


def spread(
    middle: float | None, low: float | None, high: float | None, write: Callable[[float | None], str] = number
) -> str:
    """Formats ``middle (low to high)``, each by ``write``."""
    return f"{write(middle)} ({write(low)} to {write(high)})"


def estimate(value: float | None, interval: Sequence[float] | None) -> str:
    """Formats a value and, in brackets, the ends of its interval, if there is one."""
    if interval is None:
        return number(value)
    low, high = interval
    return spread(value, low, high)


def mean_cell(found: Mapping) -> str:
    """Formats ``mean`` and ``interval`` of ``mean_of_patients``."""
    return estimate(found["mean"], found["interval"])


def distance_cells(found: Mapping) -> list[str]:
    """Formats ``value``, ``floor`` and ``excess`` of ``against_floor``, with their intervals."""
    return [estimate(found[key], found[f"{key}_interval"]) for key in ("value", "floor", "excess")]
