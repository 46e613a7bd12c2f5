"""Smooth noise that is fixed in space: it warps, roughens and textures the body the same way at any voxel spacing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.phantom.shapes import Array

__all__ = ["BODY_BOUNDS_MM", "smooth_noise"]

#: Lower and upper corner of the space that the body can reach, LPS mm; nothing is painted outside.
BODY_BOUNDS_MM = np.array([[-318.0, -150.0, -176.0], [318.0, 162.0, 868.0]])


def _spline_rows(positions: NDArray, first: float, step: float, knots: int) -> Array:
    """Cubic B-spline weights of evenly spaced knots, shape (positions, knots)."""
    t = np.abs((positions[:, None] - first) / step - np.arange(knots)[None, :])
    weights = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.where(t < 2, (2 - t) ** 3 / 6, 0.0))
    return weights.astype(np.float32)


def smooth_noise(rng: np.random.Generator, axes: Sequence[NDArray], knot_mm: float) -> Array:
    """Draws Gaussian noise of unit variance that is smooth over about ``knot_mm``.

    The knots are fixed in space, so that the same seed gives the same body at any voxel spacing.

    Args:
        rng: source of the noise.
        axes: positions of the voxel centers along x, y and z, LPS mm; three arrays (i,), (j,), (k,).
        knot_mm: distance between the knots.

    Returns:
        float32 (k, j, i).
    """
    extent = BODY_BOUNDS_MM[1] - BODY_BOUNDS_MM[0]
    counts = np.ceil(extent / knot_mm).astype(int) + 4
    values = rng.standard_normal(counts[::-1]).astype(np.float32) / 0.33  # 0.33: standard deviation after the spline
    rows = [_spline_rows(axes[n], BODY_BOUNDS_MM[0, n] - knot_mm, knot_mm, counts[n]) for n in range(3)]
    values = np.tensordot(rows[2], values, axes=(1, 0))
    values = np.tensordot(values, rows[0], axes=(2, 1))
    return np.matmul(rows[1], np.ascontiguousarray(values))
