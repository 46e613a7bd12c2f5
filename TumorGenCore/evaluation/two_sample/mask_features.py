"""Features of the form of a mask, which do not depend on its size."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.features.lesion_shape import sphericity
from TumorGenCore.lesions.border import border_anisotropy, depth_mm
from TumorGenCore.lesions.extent import around
from TumorGenCore.lesions.form import ball_radius_mm, elongation, lumps, solidity

__all__ = ["MASK_FEATURES", "border_roughness", "mask_features"]

#: Features of ``mask_features``, with their names in reports.
MASK_FEATURES = {
    "solidity": "solidity",
    "sphericity": "roundness",
    "middle_axis": "middle over longest axis",
    "short_axis": "shortest over longest axis",
    "lumps": "lumps",
    "roughness": "roughness of the border",
    "faces": "faces along the voxels' axes",
}
#: Smoothing before the faces are measured: about what a scanner blurs, standard deviation, mm.
_BLUR_MM = 4.0
#: Smoothing that takes the roughness away, as a share of the radius of a ball with the mask's volume.
_RELIEF = 0.4
_PAD = 4


def mask_features(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    """Measures the form of a mask (``MASK_FEATURES``); all NaN for an empty mask.

    Compare masks on voxels of one size only: large voxels make each mask rougher.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        ``solidity``, ``middle_axis``, ``short_axis`` and ``lumps``, see ``lesions.form``; ``sphericity``;
        ``roughness``, see ``border_roughness``; and ``faces``, see ``border_anisotropy``.
    """
    if not mask.any():
        return dict.fromkeys(MASK_FEATURES, math.nan)
    cut = np.pad(mask[around(mask)], _PAD)
    middle, short = elongation(cut, spacing_mm)
    soft = ndimage.gaussian_filter(cut.astype(np.float64), _BLUR_MM / np.asarray(spacing_mm[::-1]))
    return {
        "solidity": solidity(cut, spacing_mm),
        "sphericity": sphericity(cut, spacing_mm),
        "middle_axis": middle,
        "short_axis": short,
        "lumps": float(lumps(cut, spacing_mm)),
        "roughness": border_roughness(cut, spacing_mm),
        "faces": border_anisotropy(soft, depth_mm(cut, spacing_mm), spacing_mm),
    }


def border_roughness(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """Share of a mask's volume that moves if its border is smoothed: 0 for a ball, larger for a jagged mask.

    The mask is smoothed by a Gaussian of 0.4 of its radius, and cut where it keeps its volume.

    Args:
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        0 to 2; NaN if the mask is empty.
    """
    count = int(mask.sum())
    if count == 0:
        return math.nan
    sigma = _RELIEF * ball_radius_mm(mask, spacing_mm) / np.asarray(spacing_mm[::-1])
    wide = np.pad(mask[around(mask)], int(np.ceil(3 * sigma.max())))
    soft = ndimage.gaussian_filter(wide.astype(np.float64), sigma)
    smooth = soft >= np.partition(soft.ravel(), -count)[-count]
    return float((smooth != wide).sum() / count)
