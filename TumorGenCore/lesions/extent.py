"""Where a mask is: the block of an array that holds it. With it only a lesion's neighborhood is read of a body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["around", "pieces"]


def around(mask: NDArray[np.bool_], margin: int | Sequence[int] = 0) -> tuple[slice, ...]:
    """The smallest block that holds a mask, with a margin.

    Args:
        mask: (k, j, i), not empty.
        margin: voxels; one number, or one along each of k, j, i. It stops at the array's edge.

    Returns:
        Slices (k, j, i).
    """
    (block,) = ndimage.find_objects(mask.astype(np.uint8))
    return _widened(block, margin)


def pieces(
    mask: NDArray[np.bool_], margin: int | Sequence[int] = 0
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """Go through the pieces of a mask that are connected by faces.

    Args:
        mask: (k, j, i); an empty one has no pieces.
        margin: see ``around``.

    Yields:
        The block ``around`` the piece, slices (k, j, i), and the piece alone in that block, booleans (k, j, i).
    """
    labels, _ = ndimage.label(mask)
    for number, tight in enumerate(ndimage.find_objects(labels), start=1):
        block = _widened(tight, margin)
        yield block, labels[block] == number


def _widened(block: tuple[slice, ...], margin: int | Sequence[int]) -> tuple[slice, ...]:
    margins = np.broadcast_to(margin, len(block)).tolist()
    return tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(block, margins, strict=True))
