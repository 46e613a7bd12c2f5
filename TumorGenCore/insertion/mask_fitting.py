"""Fits M' to the uptake that it marks. Networks find a tumor's border to a voxel or two; the image shows it better."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.lesions.avid_part import metabolic_part, threshold_of
from TumorGenCore.lesions.extent import around

__all__ = ["RIM_MM", "fitted", "fitted_share", "grown", "smoothed", "trimmed"]

#: Depth of the rim in which M' may be trimmed or grown; a scanner's resolution.
RIM_MM = 6.0
#: M' may grow only into voxels where the tumor added at least this share of the uptake. So it does not grow into a hot
#: organ beside it.
OWN_SHARE = 0.1
#: Standard deviation of the Gaussian that smooths M', less than a voxel of most scanners. It removes the marks of noise
#: in the border, which are not part of the tumor's shape.
SMOOTHING_MM = 2.0
#: Radius of the Gaussian in standard deviations.
_TRUNCATE = 3.0
#: Margin around M' for closing gaps, in voxels.
_MARGIN = 2


def fitted(
    probability: NDArray, suv: NDArray, brought: NDArray, spacing_mm: float, tissue_suv: float, tuning: Tuning
) -> NDArray:
    """Fits M' to its uptake: ``trimmed``, ``grown``, then ``smoothed``; for the arguments see there."""
    share = fitted_share(float((probability > 0.5).sum()) * spacing_mm**3 / 1000, tuning)
    cut = trimmed(probability, suv, spacing_mm, tissue_suv, share)
    return smoothed(grown(cut, suv, brought, spacing_mm, tissue_suv, share), spacing_mm)


def fitted_share(volume_ml: float, tuning: Tuning) -> float:
    """Threshold for the tumor's uptake, as a share of its rise over the surrounding tissue.

    Args:
        volume_ml: volume of M' as sampled.
        tuning: numbers of the bundle.
    """
    return float(np.interp(math.log(max(volume_ml, 1.0)), np.log(tuning.fitted_volumes_ml), tuning.fitted_shares))


def trimmed(probability: NDArray, suv: NDArray, spacing_mm: float, tissue_suv: float, share: float) -> NDArray:
    """Lowers the rim of M' where it reaches beyond the ``metabolic_part``.

    The masks in training follow the same rule, with the threshold measured from the tissue; a sampled mask may break
    it. Voxels deeper than ``RIM_MM`` stay: a cold core belongs to the tumor, even if it is open to one side.

    Args:
        probability: probability of the tumor, (k, j, i).
        suv: SUV with the tumor, (k, j, i).
        spacing_mm: voxel edge of both.
        tissue_suv: SUV of the surrounding tissue.
        share: threshold for the tumor's uptake, see ``fitted_share``.

    Returns:
        A copy of ``probability``. Removed voxels are at one half or less, in proportion to their uptake, so that the
        border at one half still lies between voxels.
    """
    mask = probability > 0.5
    threshold = threshold_of(suv[mask], share, tissue_suv) if mask.any() else 0.0
    if threshold <= 0:
        return probability
    block = around(mask, _MARGIN)
    mask, suv = mask[block], suv[block]
    # Padded, so that the edge of the grid is an edge of the mask too.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    beyond = mask & (depth <= RIM_MM) & ~metabolic_part(suv, mask, share, tissue_suv)
    cut = probability.copy()
    cut[block][beyond] = 0.5 * np.clip(suv[beyond] / threshold, 0, 1)
    return cut


def grown(
    probability: NDArray, suv: NDArray, brought: NDArray, spacing_mm: float, tissue_suv: float, share: float
) -> NDArray:
    """Grows M' as far as its uptake reaches, up to ``RIM_MM`` beyond its border.

    It adds voxels above the threshold of ``trimmed`` whose uptake comes from the tumor, see ``OWN_SHARE``.

    Args:
        probability: probability of the tumor, (k, j, i).
        suv: SUV with the tumor, (k, j, i).
        brought: SUV that the tumor adds to the tissue, (k, j, i).
        spacing_mm: voxel edge of all three.
        tissue_suv: SUV of the surrounding tissue.
        share: see ``trimmed``.

    Returns:
        A copy of ``probability``. Added voxels are above one half, in proportion to their uptake.
    """
    mask = probability > 0.5
    threshold = threshold_of(suv[mask], share, tissue_suv) if mask.any() else 0.0
    if threshold <= 0:
        return probability
    block = around(mask, int(np.ceil(RIM_MM / spacing_mm)))
    mask, suv, brought = mask[block], suv[block], brought[block]
    near = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= RIM_MM
    added = near & ~mask & (suv > threshold) & (brought > OWN_SHARE * suv)
    more = probability.copy()
    more[block][added] = np.clip(0.5 * suv[added] / threshold, np.nextafter(np.float32(0.5), np.float32(1)), 1)
    return more


def smoothed(probability: NDArray, spacing_mm: float) -> NDArray:
    """Smooths M' with a Gaussian of ``SMOOTHING_MM`` to remove noise from its border, unless no tumor would be left.

    Args:
        probability: probability of the tumor, (k, j, i).
        spacing_mm: voxel edge.
    """
    mask = probability > 0.5
    if not mask.any():
        return probability
    sigma = SMOOTHING_MM / spacing_mm
    # Twice the reach of the Gaussian, so that the block's edge does not change voxels that become tumor.
    block = around(mask, int(np.ceil(2 * _TRUNCATE * sigma)))
    soft = probability.copy()
    soft[block] = ndimage.gaussian_filter(probability[block], sigma, truncate=_TRUNCATE)
    return soft if (soft > 0.5).any() else probability
