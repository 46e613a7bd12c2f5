"""Where a mask is: the block of an array that holds it. Of a whole body only a lesion's neighbourhood is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["around"]


def around(mask: NDArray[np.bool_], margin: int | Sequence[int] = 0) -> tuple[slice, ...]:
    """The smallest block that holds a mask, and so many voxels beyond it as far as the array reaches.

    Args:
        mask: (k, j, i), not empty.
        margin: voxels; one number, or one along each of k, j, i.
    """
    (block,) = ndimage.find_objects(mask.astype(np.uint8))
    margins = np.broadcast_to(margin, len(block)).tolist()
    return tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(block, margins, strict=True))
