"""Figures of alignment in Markdown tables, and how to read them."""

from __future__ import annotations

from collections.abc import Mapping

from TumorGenCore.evaluation.markdown import mean_cell
from TumorGenCore.evaluation.themes.alignment import ALIGNMENT_FIGURES

__all__ = ["ALIGNMENT_HEADER", "ALIGNMENT_NOTE", "alignment_cells"]

#: Of a table whose rows are a name and its ``alignment_cells``.
ALIGNMENT_HEADER = ["", "lesions", "DSC", "NSD 2 mm", "NSD one voxel", "DSC on voxels", "empty"]
#: How to read such a table.
ALIGNMENT_NOTE = (
    "What a segmenter finds that was trained on other, real patients only, against the mask, inside the box: Dice "
    "coefficient and normalized surface distance, on a grid finer than the scan's. *DSC on voxels*: on the scan's "
    "own grid, to which the segmenter's finding is brought. The real tumors' row is the ceiling: what it reaches "
    "where nothing is synthetic. Intervals are 95 %, over patients; none for fewer than five. *Empty*: no tumor "
    "grew; these do not count."
)


def alignment_cells(row: Mapping) -> list[str]:
    """Lesions, the figures with their intervals, and empty masks, as ``mean_alignment`` gives them."""
    return [str(row["dice"]["lesions"]), *(mean_cell(row[name]) for name in ALIGNMENT_FIGURES), str(row["empty"])]
