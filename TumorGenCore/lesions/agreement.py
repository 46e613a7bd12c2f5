"""Agreement of a mask with the uptake that it marks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.avid_part import without_holes

__all__ = ["contrast", "dice", "edge_contrast", "ranking", "uptake_cover", "uptake_dice"]

#: Uptake counts as the tumor's above this share of the way from the surroundings to its 95th percentile.
UPTAKE_SHARE = 0.41
#: Depth of the rims on both sides of a mask's edge, mm; a little more than a scanner's resolution.
RIM_MM = 8.0


def uptake_dice(suv: NDArray, mask: NDArray[np.bool_], box: NDArray[np.bool_]) -> float:
    """Dice coefficient of a mask and the uptake that it touches; 0 for an empty mask.

    Uptake means connected voxels of the box above a threshold, with the holes that they enclose. The threshold lies at
    41 % of the way from the surroundings to the mask's 95th percentile. The surroundings are the median of a shell two
    to three voxels outside the mask.

    Args:
        suv: SUV, (k, j, i); four voxels around the box are enough.
        mask: voxels of the tumor, (k, j, i).
        box: voxels inside the box, (k, j, i).
    """
    if not mask.any():
        return 0.0
    shell = ndimage.binary_dilation(mask, iterations=3) & ~ndimage.binary_dilation(mask, iterations=1)
    return dice(mask, _touched_uptake(suv, mask, box, shell))


def uptake_cover(suv: NDArray, mask: NDArray[np.bool_], box: NDArray[np.bool_]) -> float:
    """Share of the touched uptake that a mask covers, 0 to 1; 0 for an empty mask.

    Uptake and arguments are those of ``uptake_dice``, except that the surroundings are the whole rest of the box. The
    shell around half a tumor would be the other half.
    """
    if not mask.any():
        return 0.0
    uptake = _touched_uptake(suv, mask, box, box & ~mask)
    return float((mask & uptake).sum() / max(uptake.sum(), 1))


def _touched_uptake(
    suv: NDArray, mask: NDArray[np.bool_], box: NDArray[np.bool_], surroundings: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    background = float(np.median(suv[surroundings])) if surroundings.any() else 0.0
    threshold = background + UPTAKE_SHARE * (float(np.percentile(suv[mask], 95)) - background)
    hot = without_holes((suv > threshold) & box)
    pieces, _ = ndimage.label(hot)
    return np.isin(pieces, np.unique(pieces[mask & hot])) & hot


def contrast(suv: NDArray, mask: NDArray[np.bool_], box: NDArray[np.bool_]) -> float:
    """Probability that a voxel in the mask is hotter than one in the rest of the box; 0.5 if either is empty.

    For the arguments see ``uptake_dice``.
    """
    return ranking(suv[mask], suv[box & ~mask])


def edge_contrast(suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """``contrast`` of the mask's rim with the rim around it. It is high if the mask ends where the uptake falls.

    Args:
        suv: SUV, (k, j, i).
        mask: voxels of the tumor, (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        0 to 1; 0.5 if the mask holds no voxel or all voxels.
    """
    if not mask.any() or mask.all():
        return 0.5
    within, beyond = (ndimage.distance_transform_edt(part, sampling=spacing_mm[::-1]) for part in (mask, ~mask))
    return ranking(suv[mask & (within <= RIM_MM)], suv[~mask & (beyond <= RIM_MM)])


def ranking(inside: NDArray, outside: NDArray) -> float:
    """Probability that a value from inside is larger than one from outside: the area under the ROC curve.

    It equals Mann-Whitney's U / (n m).

    Args:
        inside: (n,).
        outside: (m,).

    Returns:
        0 to 1; 0.5 if either is empty.
    """
    from scipy.stats import rankdata  # here, because its import takes longer than all others in this file

    if len(inside) == 0 or len(outside) == 0:
        return 0.5
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice overlap of two masks of one shape, 0 to 1; 0 if both are empty."""
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 0.0
