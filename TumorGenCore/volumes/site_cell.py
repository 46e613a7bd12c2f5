"""Cells of a few centimeters: what is drawn for a box stays the same if a user moves the box by a millimeter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["SITE_MM", "site_cell"]

#: Boxes whose centers lie in one cell of this edge (mm, LPS) share what is drawn for them.
SITE_MM = 20.0


def site_cell(center_lps: Sequence[float]) -> list[int]:
    """Numbers of the cell of a point, three integers from 0 to 2^32 - 1.

    Args:
        center_lps: the point, LPS mm.
    """
    # Shifted by a third, because most boxes have round coordinates, and these must not lie on the face of a cell.
    cell = np.floor(np.asarray(center_lps) / SITE_MM + 1 / 3).astype(np.int64) % 2**32
    numbers: list[int] = cell.tolist()
    return numbers
