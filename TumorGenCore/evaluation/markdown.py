"""Markdown of the reports: tables, and figures with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

__all__ = ["distance_cells", "estimate", "mean_cell", "number", "percent", "short", "spread", "table_lines"]


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table and an empty line after it.

    Args:
        head: titles of the columns.
        rows: a cell a column.
    """
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    return [*lines, *[f"| {' | '.join(row)} |" for row in rows], ""]


def number(value: float | None, digits: int = 2) -> str:
    """A figure with so many decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def short(value: float | None) -> str:
    """As ``number``, with two decimals below 10, one below 100, and none from 100 on."""
    size = abs(value or 0)
    return number(value, 2 if size < 10 else 1 if size < 100 else 0)


def percent(share: float) -> str:
    """A share from 0 to 1 in whole percent."""
    return f"{number(100 * share, 0)} %"


def spread(
    middle: float | None, low: float | None, high: float | None, write: Callable[[float | None], str] = number
) -> str:
    """``middle (low to high)``, each written by ``write``."""
    return f"{write(middle)} ({write(low)} to {write(high)})"


def estimate(value: float | None, interval: Sequence[float] | None) -> str:
    """A figure and, in brackets, the two ends of its interval, if it has one."""
    if interval is None:
        return number(value)
    low, high = interval
    return spread(value, low, high)


def mean_cell(found: Mapping) -> str:
    """``mean`` with its ``interval``, as ``mean_of_patients`` gives them."""
    return estimate(found["mean"], found["interval"])


def distance_cells(found: Mapping) -> list[str]:
    """``value``, ``floor`` and ``excess`` with their intervals, as ``against_floor`` gives them."""
    return [estimate(found[key], found[f"{key}_interval"]) for key in ("value", "floor", "excess")]
