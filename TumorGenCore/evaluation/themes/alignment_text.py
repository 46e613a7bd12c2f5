"""Alignment in Markdown tables, with explanations."""

from __future__ import annotations

from collections.abc import Mapping

from TumorGenCore.evaluation.markdown import mean_cell
from TumorGenCore.evaluation.themes.alignment import ALIGNMENT_FIGURES

__all__ = ["ALIGNMENT_HEADER", "ALIGNMENT_NOTE", "alignment_cells"]

#: Header of a table whose rows are a name and its ``alignment_cells``.
ALIGNMENT_HEADER = ["", "lesions", "found", "DSC", "NSD 2 mm", "NSD one voxel", "DSC on voxels", "empty"]
#: Explanation of such a table.
ALIGNMENT_NOTE = (
    "A segmenter that was trained on other, real patients searches the box, and its finding is compared with the mask: "
    "Dice coefficient (DSC) and normalized surface distance (NSD), on a grid finer than the scan's. *DSC on voxels*: "
    "both on the scan's own grid. *Found*: share of masks of which the segmenter finds at least a tenth. **A higher "
    "value is not better**: synthetic tumors should have the values of real tumors of like size and contrast. Real "
    "tumors at other sizes have other values, so compare the differences above, not these rows. Intervals are 95 %, "
    "over patients; fewer than five patients have none. *Empty*: number of results without a tumor, which are not "
    "measured."
)


def alignment_cells(row: Mapping) -> list[str]:
    """Formats the result of ``mean_alignment``: number of lesions, means with intervals, number of empty masks."""
    return [str(row["dice"]["lesions"]), *(mean_cell(row[name]) for name in ALIGNMENT_FIGURES), str(row["empty"])]
