"""A mask is the part of a contour that takes up tracer."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from TumorGenCore.lesions.avid_part import without_holes


def test_holes_are_those_that_scipy_fills() -> None:
    for seed in range(5):
        mask = np.random.default_rng(seed).random((12, 13, 14)) < 0.6 + 0.05 * seed
        filled = without_holes(mask)
        np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(mask))
        assert filled.sum() > mask.sum()
