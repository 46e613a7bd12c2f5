"""Traits of lesions and their deviation from real ones; the limits of the quality hold on real lesions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from TumorGenCore.bundle.folders import models_root
from TumorGenCore.lesions.quality import TRAIT_LIMITS
from TumorGenCore.lesions.thumbnails import TrainingLesions
from TumorGenCore.lesions.traits import COLUMNS, lesion_traits, trait_deviation

#: Twelve lesions: the solidity lies 0.1 above or below a falling line in the logarithm of the volume.
SIDES = np.array([1, -1, -1, 1] * 3)
VOLUMES = np.repeat(np.arange(1.0, 7.0), 2)
REAL = np.column_stack([VOLUMES, 0.9 - 0.05 * VOLUMES + 0.1 * SIDES, np.full(12, np.nan)]).astype(np.float32)


def test_traits_of_a_block_are_those_that_can_be_counted():
    white = np.random.default_rng(0).normal(size=(30, 30, 30))
    mask = np.zeros(white.shape, dtype=bool)
    mask[8:20, 8:20, 8:20] = True
    mask[8:14, 8:14] = False  # A quarter of the block is missing; its hull gives half of it back.
    scan = 2 * (1 + 0.1 * white)
    suv = np.where(mask, 8 * (1 + 0.05 * white[::-1]), scan)
    volume, solidity, grain = lesion_traits(suv, mask, scan, (4.0, 5.0, 5.0))
    assert COLUMNS == ("log_volume", "solidity", "grain")
    assert volume == pytest.approx(math.log(0.75 * 12**3 * 0.1), rel=1e-6)
    assert solidity == pytest.approx(0.75 / 0.875, rel=1e-6)
    assert grain == pytest.approx(math.log(0.5), abs=0.15)


@pytest.mark.parametrize("log_volume", [1.0, 2.5, 6.0])
def test_the_deviation_counts_from_the_line_in_standard_deviations(log_volume):
    spread = 0.1 * math.sqrt(12 / 10)  # Twelve residuals of 0.1; a line takes two degrees of freedom.
    for off in (-0.2, 0.0, 0.06):
        found = np.array([log_volume, 0.9 - 0.05 * log_volume + off, 0], np.float32)
        assert trait_deviation("solidity", found, REAL) == pytest.approx(off / spread, abs=1e-3)


def test_beyond_the_real_lesions_the_line_goes_on_level():
    for log_volume, nearest in ((-3.0, 1.0), (9.0, 6.0)):
        far, near = (np.array([volume, 0.5, 0], np.float32) for volume in (log_volume, nearest))
        assert trait_deviation("solidity", far, REAL) == pytest.approx(trait_deviation("solidity", near, REAL))


def test_a_trait_that_is_missing_or_rare_has_no_deviation():
    lesion = np.array([3.0, 0.7, -0.3], np.float32)
    assert trait_deviation("grain", lesion, REAL) is None
    assert trait_deviation("solidity", lesion, REAL[:9]) is None
    assert trait_deviation("solidity", lesion, REAL[:10]) is not None
    assert trait_deviation("solidity", np.array([3.0, np.nan, 0], np.float32), REAL) is None


def test_95_percent_of_the_shipped_training_lesions_lie_within_the_limits_of_the_other_patients():
    lesions = TrainingLesions.load(models_root() / "pet-fdg-v2" / "models" / "training_lesions.safetensors")
    assert lesions.traits is not None and len(np.unique(lesions.patients)) == 33
    for name, (low, high) in TRAIT_LIMITS.items():
        found = [
            trait_deviation(name, trait, lesions.traits[lesions.patients != patient])
            for trait, patient in zip(lesions.traits, lesions.patients, strict=True)
        ]
        assert np.mean([low <= deviation <= high for deviation in found]) == pytest.approx(35 / 37)


def test_a_ball_is_usual_and_a_jack_of_thin_bars_is_not():
    """A jack, three crossed bars, has a solidity far below that of any lesion."""
    k, j, i = np.abs(np.indices((41, 41, 41)) - 20)
    ball = k**2 + j**2 + i**2 <= 100
    jack = sum((a <= 2) & (b <= 2) & (c <= 18) for a, b, c in ((k, j, i), (j, i, k), (k, i, j))) > 0
    scan = ndimage.gaussian_filter(np.random.default_rng(0).normal(2, 0.3, k.shape), 0.7)
    lesions = TrainingLesions.load(models_root() / "pet-fdg-v2" / "models" / "training_lesions.safetensors")
    low, high = TRAIT_LIMITS["solidity"]
    usual, odd = (
        trait_deviation("solidity", lesion_traits(scan + 5 * mask, mask, scan, (4, 4, 4)), lesions.traits)
        for mask in (ball, jack)
    )
    assert low < usual < high
    assert odd < low
