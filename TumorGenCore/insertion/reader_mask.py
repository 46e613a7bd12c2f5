"""Draws M' again as a reader might: beside the threshold, smoother, and not the same twice.

A fitted M' follows the uptake as a threshold does. Contours of readers scatter around it, and a network that learns
from fitted masks only learns a threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.insertion.paste import FitMask
from TumorGenCore.lesions.avid_part import largest_piece
from TumorGenCore.lesions.border import depth_mm
from TumorGenCore.lesions.extent import around
from TumorGenCore.lesions.form import ball_radius_mm

__all__ = ["drawn_after", "drawn_by_reader"]

# These numbers are set by hand; they are not fitted to contours of readers.
#: Offset of the border, as a share of the radius of a ball with the tumor's volume: mean and standard deviation.
_OFFSET, _OFFSET_SPREAD = 0.06, 0.08
#: Wobble of the border about this offset, standard deviation, and its length along the border, mm.
_WOBBLE, _WOBBLE_MM = 0.1, 6.0
#: Standard deviation of the Gaussian that smooths the border, low and high, mm.
_SMOOTHING_MM = (2.0, 6.0)
#: Stream of the draws for a seed; see ``bundle.laws``.
_STREAM = 7


def drawn_after(fit_mask: FitMask | None, spacing_mm: float, seed: int) -> FitMask:
    """Returns the function that fits M' and then draws it as a reader; for the arguments see ``drawn_by_reader``."""

    def fit(probability: NDArray, suv: NDArray, brought: NDArray) -> NDArray:
        fitted = probability if fit_mask is None else fit_mask(probability, suv, brought)
        return drawn_by_reader(fitted, spacing_mm, seed)

    return fit


def drawn_by_reader(probability: NDArray, spacing_mm: float, seed: int) -> NDArray[np.float32]:
    """Moves and smooths the border of M'.

    Args:
        probability: fitted M', (k, j, i).
        spacing_mm: voxel edge.
        seed: seed of the tumor's noise.

    Returns:
        Probability of the tumor, 0 to 1, one half at the border; M' itself if it marks no tumor or none would be left.
    """
    mask = probability > 0.5
    if not mask.any():
        return probability
    rng = np.random.default_rng([seed, _STREAM])
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    radius = ball_radius_mm(mask, spacing)
    offset = radius * (_OFFSET + _OFFSET_SPREAD * rng.normal())
    smoothing = min(rng.uniform(*_SMOOTHING_MM), radius / 2)
    block = around(mask, int(np.ceil((2 * radius * _WOBBLE + max(offset, 0) + 3 * smoothing) / spacing_mm)) + 1)
    wobble = ndimage.gaussian_filter(rng.normal(size=mask[block].shape), _WOBBLE_MM / spacing_mm)
    depth = depth_mm(mask[block], spacing)
    depth = ndimage.gaussian_filter(depth, smoothing / spacing_mm) + offset
    depth += radius * _WOBBLE * wobble / max(float(wobble.std()), 1e-9)
    drawn = largest_piece(depth > 0)
    if not drawn.any():
        return probability
    soft = np.zeros_like(probability, dtype=np.float32)
    soft[block] = np.where(drawn, np.clip(0.5 + depth / (4 * spacing_mm), 0.5, 1), 0).astype(np.float32)
    return soft
