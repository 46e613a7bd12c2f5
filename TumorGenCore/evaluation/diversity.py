"""Variety: are the tumours of different seeds, and of different sites, different tumours?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.geometry import Box, Grid
from TumorGenCore.patch import WorkingPatch

__all__ = ["in_box", "pair_correlation", "pair_dice", "variation"]

#: Points along each edge of a box in which changes of boxes of different sizes are compared.
POINTS = 24


def in_box(image: sitk.Image, box: Box) -> NDArray[np.float32]:
    """The image in the box's own coordinates: 24 points along each of its edges, (k, j, i)."""
    x, y, z = (edge / POINTS for edge in box.size_mm)
    corner = box.to_lps(-np.asarray(box.size_mm) / 2 * (1 - 1 / POINTS))
    grid = Grid((POINTS, POINTS, POINTS), (x, y, z), (corner[0], corner[1], corner[2]), box.axes)
    return WorkingPatch(grid, box).sample(image)


def pair_correlation(changes: Sequence[NDArray]) -> float | None:
    """Mean Pearson correlation of all pairs of changes (synthetic - scan); 1: all the same. None without a pair."""
    centred = [change.ravel() - change.mean() for change in changes]
    units = [change / norm for change in centred if (norm := np.linalg.norm(change)) > 0]
    return _mean([float(a @ b) for a, b in combinations(units, 2)])


def pair_dice(masks: Sequence[NDArray]) -> float | None:
    """Mean Dice coefficient of all pairs of masks; 1: all the same. None without a pair of tumours."""
    grown = [mask for mask in masks if mask.any()]
    return _mean([float(2 * (a & b).sum() / (a.sum() + b.sum())) for a, b in combinations(grown, 2)])


def variation(values: Sequence[float]) -> float | None:
    """Coefficient of variation, deviation over mean; None for fewer than two known values."""
    known = np.asarray([value for value in values if np.isfinite(value)])
    return float(known.std(ddof=1) / known.mean()) if len(known) > 1 and known.mean() > 0 else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
