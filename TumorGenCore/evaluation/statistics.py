"""Means, medians and quantiles of values, some of which may be unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

__all__ = ["LEVELS", "known", "mean_of_known", "median_of_known", "patient_means", "quantiles"]

#: Levels of the quantiles in a report.
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def known(values: Iterable[float | None]) -> list[float]:
    """Returns the values that are not None."""
    return [value for value in values if value is not None]


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are not None; None without any."""
    found = known(values)
    return float(np.mean(found)) if found else None


def median_of_known(values: Iterable[float | None]) -> float | None:
    """Median of the values that are not None; None without any."""
    found = known(values)
    return float(np.median(found)) if found else None


def patient_means(rows: Iterable[Mapping], name: str) -> dict[str, float]:
    """Returns the mean of a value for each patient, in the order of their names.

    Args:
        rows: rows, each with its ``patient``.
        name: key of the value. Rows with None do not count; patients without any known value are dropped.
    """
    by_patient: dict[str, list[float | None]] = {}
    for row in rows:
        by_patient.setdefault(row["patient"], []).append(row[name])
    means = {patient: mean_of_known(by_patient[patient]) for patient in sorted(by_patient)}
    return {patient: mean for patient, mean in means.items() if mean is not None}


def quantiles(values: Sequence[float], levels: Sequence[float] = LEVELS) -> dict:
    """Returns the quantiles of the finite values.

    Args:
        values: values, which may include NaN.
        levels: levels from 0 to 1.

    Returns:
        ``n``, the number of finite values, and ``q10`` for the level 0.1, and so on; None without finite values.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    found = np.quantile(finite, levels).tolist() if len(finite) else [None] * len(levels)
    return {"n": len(finite), **{f"q{round(100 * level)}": q for level, q in zip(levels, found, strict=True)}}
