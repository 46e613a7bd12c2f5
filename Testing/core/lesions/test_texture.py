"""Texture against closed forms: white and smoothed noise, a ramp, a constant."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from TumorGenCore.lesions.texture import autocorrelation, grain, noise_share, roughness

WHITE = np.random.default_rng(1).normal(size=(60, 60, 60))
ALL = np.ones(WHITE.shape, dtype=bool)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_white_noise_is_not_correlated(axis):
    assert autocorrelation(10 + WHITE, ALL, axis) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("lag", [1, 2])
def test_smoothed_noise_is_correlated_as_its_gaussian_is(lag):
    sigma = (0.8, 1.2, 1.6)
    smooth = ndimage.gaussian_filter(WHITE, sigma, mode="wrap")
    for axis in range(3):
        expected = math.exp(-(lag**2) / (4 * sigma[axis] ** 2))
        assert autocorrelation(smooth, ALL, axis, lag) == pytest.approx(expected, abs=0.05)


def test_only_pairs_inside_the_mask_count():
    values = WHITE.copy()
    values[:, :, ::2] = 100  # Alternating slices: a correlation of -1 along the last axis, if they counted.
    mask = ALL.copy()
    mask[:, :, ::2] = False
    assert math.isnan(autocorrelation(values, mask, 2))
    assert autocorrelation(values, mask, 0) == pytest.approx(0, abs=0.02)


def test_a_constant_has_no_correlation_and_no_noise():
    flat = np.full(WHITE.shape, 3.0)
    assert math.isnan(autocorrelation(flat, ALL, 0))
    assert noise_share(flat, ALL, (3, 3, 3)) == pytest.approx(0, abs=1e-9)
    assert roughness(flat, ALL, (3, 3, 3)) == 0


def test_the_noise_share_of_white_noise_is_its_deviation_over_the_mean():
    # The Gaussian of 4 mm on voxels of 2 mm leaves almost all of white noise: 1 - 2 w0 + sum of w^2.
    weights = ndimage.gaussian_filter1d(np.eye(1, 41, 20)[0], 2.0, truncate=3)
    left = math.sqrt(1 - 2 * weights[20] ** 3 + float((weights**2).sum()) ** 3)
    assert noise_share(20 + WHITE, ALL, (2.0, 2.0, 2.0)) == pytest.approx(left / 20, rel=0.02)


def test_the_fall_at_the_border_is_no_noise():
    mask = np.zeros(WHITE.shape, dtype=bool)
    mask[20:40, 20:40, 20:40] = True
    assert noise_share(np.where(mask, 8.0, 0.5), mask, (3, 3, 3)) == pytest.approx(0, abs=1e-9)


def test_roughness_of_a_ramp_is_its_slope_per_mm_over_its_mean():
    k, j, i = np.indices((20, 20, 20)).astype(float)
    ramp = 100 + 2 * k + 3 * j + 4 * i
    mask = np.ones(ramp.shape, dtype=bool)
    # A third of the neighbors lie along each axis.
    expected = np.mean([2 / 5.0, 3 / 2.5, 4 / 2.0]) / ramp.mean()
    assert roughness(ramp, mask, (2.0, 2.5, 5.0)) == pytest.approx(expected)


def test_a_mask_of_a_few_voxels_has_no_texture():
    mask = np.zeros(WHITE.shape, dtype=bool)
    mask[5, 5, 5:8] = True
    assert math.isnan(autocorrelation(WHITE, mask, 2)) and math.isnan(roughness(WHITE + 5, mask, (2, 2, 2)))
    assert math.isnan(noise_share(WHITE, mask & False, (2, 2, 2)))


def _noisy_block(noise: float, edge: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """SUV, mask and scan: a hot block with so much relative white noise in tissue with a relative noise of 0.1."""
    mask = np.zeros(WHITE.shape, dtype=bool)
    mask[5 : 5 + edge, 5 : 5 + edge, 5 : 5 + edge] = True
    scan = 2 * (1 + 0.1 * WHITE)
    return np.where(mask, 9 * (1 + noise * WHITE[::-1]), scan), mask, scan


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("spacing_mm", [(4.0, 4.0, 4.0), (5.0, 5.0, 3.0)])
def test_the_grain_is_the_noise_of_the_lesion_over_that_of_the_tissue(noise, spacing_mm):
    suv, mask, scan = _noisy_block(noise)
    assert grain(suv, mask, scan, spacing_mm) == pytest.approx(math.log(noise / 0.1), abs=0.08)
    assert grain(7 * suv, mask, 7 * scan, spacing_mm) == pytest.approx(grain(suv, mask, scan, spacing_mm))


def test_the_grain_looks_neither_at_the_fall_at_the_border_nor_at_a_vessel_in_the_tissue():
    suv, mask, scan = _noisy_block(0.1)
    expected = grain(suv, mask, scan, (4, 4, 4))
    shell = mask & ~ndimage.binary_erosion(mask)
    assert grain(np.where(shell, 5.0, suv), mask, scan, (4, 4, 4)) == expected
    with_vessel = scan.copy()
    with_vessel[:, 2:4, 2:4] = 8
    assert grain(suv, mask, with_vessel, (4, 4, 4)) == pytest.approx(expected, abs=0.1)


def test_a_small_lesion_and_one_without_noise_have_no_grain():
    suv, mask, scan = _noisy_block(0.1, edge=5)  # A core of 27 voxels.
    assert math.isnan(grain(suv, mask, scan, (4, 4, 4)))
    suv, mask, scan = _noisy_block(0.1)
    assert math.isnan(grain(suv, mask, np.full_like(scan, 2.0), (4, 4, 4)))
    assert math.isnan(grain(suv, np.zeros_like(mask), scan, (4, 4, 4)))
