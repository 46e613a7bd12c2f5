"""The part of a contour that takes up tracer. Masks mean this part, in training and in evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.extent import pieces

__all__ = ["METABOLIC_SHARE", "largest_piece", "metabolic_part", "threshold_of", "without_holes"]

#: Threshold of metabolic tumor volume, as a share of the hottest uptake (41 %, Boellaard et al., EANM 2015).
METABOLIC_SHARE = 0.41
#: Closing iterations: gaps of less than twice as many voxels are closed.
_CLOSING = 2


def metabolic_part(
    suv: NDArray, contour: NDArray[np.bool_], share: float = METABOLIC_SHARE, tissue_suv: float = 0.0
) -> NDArray[np.bool_]:
    """Reduces each connected piece of a contour to its largest part that takes up tracer, with its holes (necrosis).

    Contours drawn on MR or CT reach beyond the uptake in PET. Networks would learn masks from them that do not fit the
    image.

    Args:
        suv: SUV, (k, j, i).
        contour: voxels inside the contour, (k, j, i).
        share: position of the threshold for hot voxels between ``tissue_suv`` (0) and the 95th percentile of the piece
            (1). Noise changes the percentile less than the maximum.
        tissue_suv: SUV of healthy tissue.

    Returns:
        Booleans (k, j, i). A piece stays whole if its hot part is at most a quarter of it.
    """
    part = np.zeros_like(contour)
    for block, piece in pieces(contour, _CLOSING):
        single = np.count_nonzero(piece) == 1  # It stays whole; masks of noise have hundreds.
        part[block] |= piece if single else _hot_part(suv[block], piece, share, tissue_suv)
    return part


def threshold_of(uptake: NDArray, share: float, tissue_suv: float) -> float:
    """Returns the SUV above which a voxel belongs to the ``metabolic_part``.

    Args:
        uptake: SUV of a tumor's voxels, any shape, not empty.
        share: see ``metabolic_part``.
        tissue_suv: SUV of healthy tissue, limited to half the 95th percentile; otherwise nothing of a faint tumor would
            be left.
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
    """Fills the holes of a mask (k, j, i): the background that is not connected to the array's edge.

    SciPy's ``binary_fill_holes`` gives the same result and takes several times as long.
    """
    background, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    return (background != background[0, 0, 0])[1:-1, 1:-1, 1:-1]


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a mask of any shape; an empty one stays empty."""
    labels, count = ndimage.label(mask)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count > 1 else mask
