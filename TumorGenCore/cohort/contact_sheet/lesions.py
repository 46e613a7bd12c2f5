"""What the contact sheet says about a lesion: its place, its figures and its warnings; nothing about a person."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.cohort.results import Record

__all__ = ["SheetLesion", "lesions_of"]

#: Figures on the sheet by their names there, and their columns in the truth table.
_FIGURES = {
    "volume": "volume_ml",
    "diameter": "equivalent_diameter_mm",
    "max": "suv_max",
    "mean": "suv_mean",
    "contrast": "lesion_to_background",
    "quality": "quality",
}
#: Digits after the point, enough for the sheet.
_DIGITS = 3


@dataclass(frozen=True)
class SheetLesion:
    """One lesion of a result.

    Args:
        case: its result.
        number: its number in the result, from 1.
        center_lps: center of its mask, or of its box if the mask is empty, LPS mm.
        row: its line of ``truth.csv``.
    """

    case: Case
    number: int
    center_lps: NDArray[np.float64]
    row: Record

    def shown(self) -> dict[str, Any]:
        """Returns what the page shows, ready for JSON; figures that are not known are None."""
        figures = {name: _figure(self.row[column]) for name, column in _FIGURES.items()}
        return {
            "case": self.case.stem,
            "lesion": self.number,
            "of": len(self.case.lesions),
            "place": self.case.place,
            **figures,
            "passes": self.row["quality_passes"] == "1",
            "warnings": self.row["warnings"],
        }


def lesions_of(case: Case) -> Iterator[SheetLesion]:
    """Yields the lesions of a result, in the order of insertion."""
    for number, row in enumerate(case.lesions, start=1):
        center = _center(row, "center_lps_mm")
        if not np.isfinite(center).all():
            center = _center(row, "box_center_lps_mm")
        yield SheetLesion(case, number, center, row)


def _center(row: Record, column: str) -> NDArray[np.float64]:
    return np.array([float(row[f"{column}_{axis}"] or math.nan) for axis in "xyz"])


def _figure(text: str) -> float | None:
    return round(float(text), _DIGITS) if text else None
