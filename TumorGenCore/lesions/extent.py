"""The block of an array that holds a mask, so that code reads only the neighborhood of a lesion, not the whole body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["around", "pieces"]


def around(mask: NDArray[np.bool_], margin: int | Sequence[int] = 0) -> tuple[slice, ...]:
    """Returns the smallest block that holds a mask, with a margin.

    Args:
        mask: (k, j, i), not empty.
        margin: in voxels; one number, or one for each of k, j, i. It stops at the array's edge.

    Returns:
        Slices (k, j, i).
    """
    (block,) = ndimage.find_objects(mask.astype(np.uint8))
    return _widened(block, margin)


def pieces(
    mask: NDArray[np.bool_], margin: int | Sequence[int] = 0
) -> Iterator[tuple[tuple[slice, ...], NDArray[np.bool_]]]:
    """Yields the pieces of a mask; voxels that share a face belong to one piece.

    Args:
        mask: (k, j, i); an empty mask has no pieces.
        margin: see ``around``.

    Yields:
        The block ``around`` the piece, slices (k, j, i), and the piece alone in this block, booleans (k, j, i).
    """
    labels, _ = ndimage.label(mask)
    for number, tight in enumerate(ndimage.find_objects(labels), start=1):
        block = _widened(tight, margin)
        yield block, labels[block] == number


def _widened(block: tuple[slice, ...], margin: int | Sequence[int]) -> tuple[slice, ...]:
    margins = np.broadcast_to(margin, len(block)).tolist()
    return tuple(slice(max(0, s.start - m), s.stop + m) for s, m in zip(block, margins, strict=True))
