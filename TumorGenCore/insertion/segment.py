"""Where the tumor of one box is: a crop of the volume's grid, not a mask of the whole body. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Segment"]


@dataclass(frozen=True)
class Segment:
    """The tumor of one box: a crop of the volume's grid.

    Args:
        mask: 0/1, uint8, (k, j, i).
        start_ijk: ijk of the crop's first voxel in the volume.
    """

    mask: NDArray[np.uint8]
    start_ijk: tuple[int, int, int]

    @property
    def region(self) -> tuple[slice, slice, slice]:
        """Its place in an array (k, j, i) of the volume."""
        k, j, i = (slice(a, a + n) for a, n in zip(self.start_ijk[::-1], self.mask.shape, strict=True))
        return k, j, i
