"""The part of a contour that takes up tracer: what a mask means, in training and in evaluation alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.extent import pieces

__all__ = ["METABOLIC_SHARE", "largest_piece", "metabolic_part", "threshold_of", "without_holes"]

#: Threshold of metabolic tumor volume, as a share of the hottest uptake (41 %, Boellaard et al., EANM 2015).
METABOLIC_SHARE = 0.41
#: Gaps of less than twice so many voxels are closed.
_CLOSING = 2


def metabolic_part(
    suv: NDArray, contour: NDArray[np.bool_], share: float = METABOLIC_SHARE, tissue_suv: float = 0.0
) -> NDArray[np.bool_]:
    """Reduce each connected piece of a contour to the largest part that takes up tracer, with its holes (necrosis).

    Contours drawn on MR or CT reach beyond what PET shows, and would teach masks that do not fit the image.

    Args:
        suv: SUV, (k, j, i).
        contour: which voxels it holds, (k, j, i).
        share: of the way from ``tissue_suv`` to the piece's 95th percentile, above which a voxel is hot. Noise moves
            the percentile less than the maximum.
        tissue_suv: SUV of healthy tissue.

    Returns:
        Booleans (k, j, i). A piece whose hot part is less than a quarter of it stays as it is.
    """
    part = np.zeros_like(contour)
    for block, piece in pieces(contour, _CLOSING):
        part[block] |= _hot_part(suv[block], piece, share, tissue_suv)
    return part


def threshold_of(uptake: NDArray, share: float, tissue_suv: float) -> float:
    """The SUV above which a voxel belongs to the ``metabolic_part``.

    Args:
        uptake: SUV of a tumor's voxels, any shape, not empty.
        share: see ``metabolic_part``.
        tissue_suv: SUV of healthy tissue; at most half the 95th percentile counts, or a faint tumor would have no part.
    """
    hottest = float(np.percentile(uptake, 95))
    base = min(tissue_suv, hottest / 2)
    return base + share * (hottest - base)


def _hot_part(suv: NDArray, contour: NDArray[np.bool_], share: float, tissue_suv: float) -> NDArray[np.bool_]:
    hot = contour & (suv > threshold_of(suv[contour], share, tissue_suv))
    hot = without_holes(ndimage.binary_closing(hot, iterations=_CLOSING)) & contour
    hot = largest_piece(hot)
    return hot if hot.sum() > 0.25 * contour.sum() else contour


def without_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of a mask (k, j, i), that is all that does not join the array's edge.

    SciPy's ``binary_fill_holes`` gives the same and takes several times as long.
    """
    background, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return (background != background[0, 0, 0])[1:-1, 1:-1, 1:-1]


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a mask of any shape; an empty one stays empty."""
    labels, count = ndimage.label(mask)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count > 1 else mask
