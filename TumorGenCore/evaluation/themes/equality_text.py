"""Differences to real tumors in Markdown tables, with explanations."""

from __future__ import annotations

from collections.abc import Mapping

from TumorGenCore.evaluation.markdown import mean_cell, number, table_lines
from TumorGenCore.evaluation.themes.equality import EQUALITY_FIGURES, LIKE_FACTOR

__all__ = ["EQUALITY_HEADER", "EQUALITY_NOTE", "equality_cells", "equality_lines"]

#: Header of a table whose rows are a name and its ``equality_cells``.
EQUALITY_HEADER = ["synthetic minus real", "found", "DSC", "NSD 2 mm", "compared", "size", "contrast"]
#: Explanation of such a table.
EQUALITY_NOTE = (
    "A segmenter that was trained on other, real patients searches the box. Each synthetic tumor is compared with one "
    "real tumor of unseen patients. **0 means that the segmenter finds synthetic tumors as often as real ones of like "
    "size and contrast, and agrees with their masks as much.** Above 0, synthetic tumors are easier than real ones; "
    "below 0, they are harder. Neither is better.\n\n"
    f"Alike are tumors whose volume and contrast differ by at most a factor of {LIKE_FACTOR:.0f}. Contrast is the 95th "
    "percentile of SUV in the mask over the tissue outside the box. The nearest of the same patient is taken, or "
    "without one the nearest of all. Real tumors count at their own size, and made small: shrunk, blurred again and "
    "put into healthy tissue. Without these, small synthetic tumors would have no real one of like size. The segmenter "
    "saw tumors made small in its training too, which may make them easy for it.\n\n"
    "*Found*: share of tumors of which the segmenter finds at least a tenth. *Compared*: synthetic tumors that have a "
    "like real one, of all that grew. *Size*, *contrast*: median of synthetic over real in the compared pairs. Each "
    "patient counts once. Intervals are 95 %, over patients (BCa); fewer than five patients have none. 0 to 0 means "
    "that no patient differed. A synthetic tumor unlike every real one is not compared; the two-sample test judges it."
)
_LABELS = {"tumor": "tumor sites", "healthy": "healthy sites", "phantom": "phantom", "patients": "all on patients"}


def equality_cells(row: Mapping) -> list[str]:
    """Formats the result of ``differences``: differences with intervals, numbers of tumors, ratios of the pairs."""
    return [
        *(mean_cell(row[name]) for name in EQUALITY_FIGURES),
        f"{row['compared']} of {row['tumors']}",
        number(row["volume_ratio"]),
        number(row["contrast_ratio"]),
    ]


def equality_lines(found: Mapping) -> list[str]:
    """Returns the section on equality; ``found`` is the result of ``measure_equality`` or has ``left_out``."""
    lines = ["## Does a segmenter treat them like real tumors?", ""]
    if "left_out" in found:
        return [*lines, f"Left out: {found['left_out']}", ""]
    rows = [[_LABELS[group], *equality_cells(row)] for group, row in found.items()]
    return [*lines, EQUALITY_NOTE, "", *table_lines(EQUALITY_HEADER, rows)]
