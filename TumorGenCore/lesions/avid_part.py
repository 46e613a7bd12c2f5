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
    """The largest piece of each connected contour above a share of its 95th percentile; holes (necrosis) are kept in.

    Contours drawn on MR or CT reach beyond what PET shows, and would teach masks that do not fit the image.

    Args:
        suv: (k, j, i).
        contour: (k, j, i); a piece of it stays as it is where what is hot is less than a quarter of it.
        share: of the 95th percentile, which is less at the mercy of noise than the maximum.
        tissue_suv: the share is counted from there.
    """
    part = np.zeros_like(contour)
    for block, piece in pieces(contour, _CLOSING):
        part[block] |= _hot_part(suv[block], piece, share, tissue_suv)
    return part


def threshold_of(uptake: NDArray, share: float, tissue_suv: float) -> float:
    """The SUV from which on a voxel belongs to the ``metabolic_part``.

    Args:
        uptake: SUV of a tumor's voxels, any shape, not empty.
        share, tissue_suv: see there; of the tissue half the 95th percentile counts at most, or a faint tumor would
            have no part.
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
    """As SciPy's ``binary_fill_holes``, which takes several times as long: all but what joins the edge."""
    background, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return (background != background[0, 0, 0])[1:-1, 1:-1, 1:-1]


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a mask of any shape; an empty one stays empty."""
    labels, count = ndimage.label(mask)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count > 1 else mask
