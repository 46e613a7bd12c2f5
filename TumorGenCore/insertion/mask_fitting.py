"""M' laid on the uptake that it marks: networks know a tumor's border to a voxel or two, the image knows it better."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.lesions.avid_part import metabolic_part, threshold_of
from TumorGenCore.lesions.extent import around

__all__ = ["RIM_MM", "fitted", "fitted_share", "grown", "smoothed", "trimmed"]

#: How deep the rim is in which M' may be trimmed or grown: a scanner's resolution.
RIM_MM = 6.0
#: Least share of a voxel's uptake that the tumor brought, where M' may grow: a hot organ beside it stays outside.
OWN_SHARE = 0.1
#: Deviation of the Gaussian that smooths M', less than a voxel of most scanners: what noise carves into a border is not
#: the tumor's shape.
SMOOTHING_MM = 2.0
#: Deviations of the Gaussian beyond which its weight is left out.
_TRUNCATE = 3.0
#: Voxels around M' that closing gaps needs.
_MARGIN = 2


def fitted(
    probability: NDArray, suv: NDArray, brought: NDArray, spacing_mm: float, tissue_suv: float, tuning: Tuning
) -> NDArray:
    """M' on the uptake that it marks: ``trimmed``, ``grown``, then ``smoothed``; for the arguments see there."""
    share = fitted_share(float((probability > 0.5).sum()) * spacing_mm**3 / 1000, tuning)
    cut = trimmed(probability, suv, spacing_mm, tissue_suv, share)
    return smoothed(grown(cut, suv, brought, spacing_mm, tissue_suv, share), spacing_mm)


def fitted_share(volume_ml: float, tuning: Tuning) -> float:
    """From which share of its rise over the tissue around uptake is the tumor's.

    Args:
        volume_ml: of M' as it was sampled.
        tuning: of the bundle.
    """
    return float(np.interp(math.log(max(volume_ml, 1.0)), np.log(tuning.fitted_volumes_ml), tuning.fitted_shares))


def trimmed(probability: NDArray, suv: NDArray, spacing_mm: float, tissue_suv: float, share: float) -> NDArray:
    """M' on the uptake that it marks: its rim is lowered where it reaches beyond the ``metabolic_part``.

    That is the rule of the masks that the networks learn from, counted from the tissue; a sampled mask may break it.
    Deeper than ``RIM_MM`` nothing is taken: a cold core, open to one side or not, is the tumor's.

    Args:
        probability: of the tumor, (k, j, i).
        suv: with the tumor, (k, j, i).
        spacing_mm: edge of the voxels of both.
        tissue_suv: of the tissue around.
        share: of the rise over the tissue, from which on uptake is the tumor's; see ``fitted_share``.

    Returns:
        As ``probability``, one half or less in the voxels taken away, in proportion to their uptake, so that the border
        at one half still lies between voxels.
    """
    mask = probability > 0.5
    threshold = threshold_of(suv[mask], share, tissue_suv) if mask.any() else 0.0
    if threshold <= 0:
        return probability
    block = around(mask, _MARGIN)
    mask, suv = mask[block], suv[block]
    # Padded, so that the grid's edge is an edge of the mask too.
    depth = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    beyond = mask & (depth <= RIM_MM) & ~metabolic_part(suv, mask, share, tissue_suv)
    cut = probability.copy()
    cut[block][beyond] = 0.5 * np.clip(suv[beyond] / threshold, 0, 1)
    return cut


def grown(
    probability: NDArray, suv: NDArray, brought: NDArray, spacing_mm: float, tissue_suv: float, share: float
) -> NDArray:
    """M' reaching as far as its uptake does: up to ``RIM_MM`` beyond its border, what is above the threshold of
    ``trimmed`` and was brought by the tumor becomes the tumor's.

    Args:
        probability: of the tumor, (k, j, i).
        suv: with the tumor, (k, j, i).
        brought: SUV that the tumor adds to the tissue, (k, j, i).
        spacing_mm: edge of the voxels of all three.
        tissue_suv: of the tissue around.
        share: see ``trimmed``.

    Returns:
        As ``probability``, more than one half in the voxels that are added, in proportion to their uptake.
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
    """M' without the teeth of noise: a Gaussian of ``SMOOTHING_MM`` goes over it, unless that would leave no tumor.

    Args:
        probability: of the tumor, (k, j, i).
        spacing_mm: edge of its voxels.
    """
    mask = probability > 0.5
    if not mask.any():
        return probability
    sigma = SMOOTHING_MM / spacing_mm
    # Twice as far as the Gaussian reaches: what becomes tumor has only the patch's own voxels around it.
    block = around(mask, int(np.ceil(2 * _TRUNCATE * sigma)))
    soft = probability.copy()
    soft[block] = ndimage.gaussian_filter(probability[block], sigma, truncate=_TRUNCATE)
    return soft if (soft > 0.5).any() else probability
