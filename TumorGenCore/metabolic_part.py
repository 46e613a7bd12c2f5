"""The part of a contour that takes up tracer: what a mask means, in training, in evaluation and of M' alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.mask_extent import around, pieces

__all__ = [
    "METABOLIC_SHARE",
    "RIM_MM",
    "fitted",
    "grown",
    "largest_piece",
    "metabolic_part",
    "trimmed",
    "without_holes",
]

#: Threshold of metabolic tumour volume, as a share of the hottest uptake (41 %, Boellaard et al., EANM 2015).
METABOLIC_SHARE = 0.41
#: How deep the rim is in which M' may be trimmed or grown: a scanner's resolution.
RIM_MM = 6.0
#: Least share of a voxel's uptake that the tumour brought, where M' may grow: a hot organ beside it stays outside.
OWN_SHARE = 0.1
#: Gaps of less than twice so many voxels are closed.
_CLOSING = 2


def metabolic_part(suv: NDArray, contour: NDArray[np.bool_], share: float = METABOLIC_SHARE) -> NDArray[np.bool_]:
    """The largest piece of each connected contour above a share of its 95th percentile; holes (necrosis) are kept in.

    Contours drawn on MR or CT reach beyond what PET shows, and would teach masks that do not fit the image.

    Args:
        suv: (k, j, i).
        contour: (k, j, i); a piece of it stays as it is where what is hot is less than a quarter of it.
        share: of the 95th percentile, which is less at the mercy of noise than the maximum.
    """
    part = np.zeros_like(contour)
    for block, piece in pieces(contour, _CLOSING):
        part[block] |= _hot_part(suv[block], piece, share)
    return part


def fitted(probability: NDArray, suv: NDArray, brought: NDArray, spacing_mm: float) -> NDArray:
    """M' on the uptake that it marks: ``trimmed``, then ``grown``; for the arguments see there."""
    return grown(trimmed(probability, suv, spacing_mm), suv, brought, spacing_mm)


def trimmed(probability: NDArray, suv: NDArray, spacing_mm: float) -> NDArray:
    """M' on the uptake that it marks: its rim is lowered where it reaches beyond the ``metabolic_part``.

    That is the rule of the masks that the networks learn from, and a sampled mask may break it. Deeper than
    ``RIM_MM`` nothing is taken: a cold core, open to one side or not, is the tumour's.

    Args:
        probability: of the tumour, (k, j, i).
        suv: with the tumour, (k, j, i).
        spacing_mm: edge of the voxels of both.

    Returns:
        As ``probability``, one half or less in the voxels taken away, in proportion to their uptake, so that the border
        at one half still lies between voxels.
    """
    mask = probability > 0.5
    threshold = METABOLIC_SHARE * float(np.percentile(suv[mask], 95)) if mask.any() else 0.0
    if threshold <= 0:
        return probability
    block = around(mask, _CLOSING)
    mask, suv = mask[block], suv[block]
    # Padded, so that the grid's edge is an edge of the mask too.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    beyond = mask & (depth <= RIM_MM) & ~metabolic_part(suv, mask)
    cut = probability.copy()
    cut[block][beyond] = 0.5 * np.clip(suv[beyond] / threshold, 0, 1)
    return cut


def grown(probability: NDArray, suv: NDArray, brought: NDArray, spacing_mm: float) -> NDArray:
    """M' reaching as far as its uptake does: up to ``RIM_MM`` beyond its border, what is above the threshold of the
    ``metabolic_part`` and was brought by the tumour becomes the tumour's.

    Args:
        probability: of the tumour, (k, j, i).
        suv: with the tumour, (k, j, i).
        brought: SUV that the tumour adds to the tissue, (k, j, i).
        spacing_mm: edge of the voxels of all three.

    Returns:
        As ``probability``, more than one half in the voxels that are added, in proportion to their uptake.
    """
    mask = probability > 0.5
    threshold = METABOLIC_SHARE * float(np.percentile(suv[mask], 95)) if mask.any() else 0.0
    if threshold <= 0:
        return probability
    block = around(mask, int(np.ceil(RIM_MM / spacing_mm)))
    mask, suv, brought = mask[block], suv[block], brought[block]
    near = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= RIM_MM
    added = near & ~mask & (suv > threshold) & (brought > OWN_SHARE * suv)
    more = probability.copy()
    more[block][added] = np.clip(0.5 * suv[added] / threshold, np.nextafter(np.float32(0.5), np.float32(1)), 1)
    return more


def _hot_part(suv: NDArray, contour: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    hot = contour & (suv > share * np.percentile(suv[contour], 95))
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
