"""How the lesions of a cohort are distributed: what the tables and the picture of a data card show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.cohort.exports.finished import Finished
from TumorGenCore.cohort.results import Record

__all__ = ["MEASURES", "QUANTILES", "Measure", "places", "quantiles", "values_of"]

#: Shares of the lesions below each value of a table; 0 and 1 are the lowest and the highest value.
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Measure:
    """A column of the truth table.

    Args:
        column: its name.
        title: what it is, for people, with its unit.
        is_log: whether a histogram has equal steps of its logarithm.
    """

    column: str
    title: str
    is_log: bool = False


MEASURES = (
    Measure("volume_ml", "volume, ml", is_log=True),
    Measure("equivalent_diameter_mm", "diameter of a ball of this volume, mm"),
    Measure("axis_long_mm", "longest axis, mm"),
    Measure("suv_max", "SUVmax"),
    Measure("suv_mean", "SUVmean"),
    Measure("lesion_to_background", "SUVmean over that of the background"),
)


def values_of(lesions: Sequence[Record], column: str) -> NDArray[np.float64]:
    """Returns the numbers of a column, without those that are not known or not finite."""
    values = np.array([float(lesion[column]) for lesion in lesions if lesion[column]])
    return values[np.isfinite(values)]


def quantiles(values: NDArray[np.float64]) -> list[float]:
    """Returns the value at each of the ``QUANTILES``; empty if there are no values."""
    return [float(value) for value in np.quantile(values, QUANTILES)] if len(values) else []


def places(finished: Finished) -> dict[str, int]:
    """Returns the number of lesions at each place, the most frequent first."""
    counted = Counter({place: 0 for place in sorted({case.place for case in finished.cases})})
    for case in finished.cases:
        counted[case.place] += len(case.lesions)
    return dict(counted.most_common())
