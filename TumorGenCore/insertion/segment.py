"""The mask of one tumor, as a crop of the volume's grid and not of the whole body. This module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Segment"]


@dataclass(frozen=True)
class Segment:
    """Mask of the tumor of one box, as a crop of the volume's grid.

    Args:
        mask: uint8 (k, j, i), 0 or 1.
        start_ijk: first voxel of the crop in the volume.
    """

    mask: NDArray[np.uint8]
    start_ijk: tuple[int, int, int]

    @property
    def region(self) -> tuple[slice, slice, slice]:
        """Slices of the crop in an array (k, j, i) of the volume."""
        k, j, i = (slice(a, a + n) for a, n in zip(self.start_ijk[::-1], self.mask.shape, strict=True))
        return k, j, i
