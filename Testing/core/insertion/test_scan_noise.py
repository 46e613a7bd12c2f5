"""Noise of a scan is measured as it was made, and drawn as it was measured."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.placed import place_box
from TumorGenCore.insertion.scan_noise import ScanNoise, measure_noise, noise_around
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings

SPACING = (4.0, 4.0, 3.0)
SHAPE = (48, 48, 48)


def noisy(level: float, sigma: tuple[float, float, float], mean: float = 2.0) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(5).normal(size=SHAPE), sigma, mode="wrap")
    return mean * (1 + level * field / field.std())


def correlation(field: np.ndarray, axis: int) -> float:
    here, there = np.take(field, range(field.shape[axis] - 1), axis), np.take(field, range(1, field.shape[axis]), axis)
    return float(np.corrcoef(here.ravel(), there.ravel())[0, 1])


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_level_and_autocorrelation_are_measured(level):
    sigma = (0.9, 0.7, 0.5)
    found = measure_noise(noisy(level, sigma), np.ones(SHAPE, dtype=bool), SPACING)
    # The mean that is taken away has some of the noise, so a little less is found.
    assert found.level == pytest.approx(level, rel=0.15)
    assert found.sigma_voxels == pytest.approx(sigma, abs=0.15)


def test_what_is_drawn_has_the_level_and_the_autocorrelation():
    drawn = ScanNoise(0.3, (1.0, 0.8, 0.6)).draw((60, 60, 60), seed=1)
    assert drawn.std() == pytest.approx(0.3, rel=0.05) and abs(drawn.mean()) < 0.01
    for axis, sigma in enumerate((1.0, 0.8, 0.6)):
        weights = ndimage.gaussian_filter1d(np.eye(1, 41, 20)[0], sigma)
        expected = (weights[1:] * weights[:-1]).sum() / (weights**2).sum()
        assert correlation(drawn, axis) == pytest.approx(expected, abs=0.03)


def test_a_seed_draws_the_same_noise_and_another_seed_another():
    noise = ScanNoise(0.3, (1.0, 0.8, 0.6))
    np.testing.assert_array_equal(noise.draw((9, 8, 7), 4), noise.draw((9, 8, 7), 4))
    assert abs(np.corrcoef(noise.draw((30, 30, 30), 4).ravel(), noise.draw((30, 30, 30), 5).ravel())[0, 1]) < 0.1


def test_the_borders_of_organs_are_no_noise():
    suv = noisy(0.1, (0.8, 0.8, 0.8))
    suv[:, :, 24:] *= 5
    found = measure_noise(suv, np.ones(SHAPE, dtype=bool), SPACING)
    assert found.level == pytest.approx(0.1, rel=0.25)


def test_air_and_a_smooth_scan_have_no_noise():
    assert measure_noise(noisy(0.1, (1, 1, 1)), np.zeros(SHAPE, dtype=bool), SPACING).level == 0
    smooth = measure_noise(np.full(SHAPE, 2.0), np.ones(SHAPE, dtype=bool), SPACING)
    assert smooth.level == pytest.approx(0, abs=1e-6)
    assert not smooth.draw((5, 5, 5), 0).round(6).any() and not ScanNoise(0, (0, 0, 0)).draw((5, 5, 5), 0).any()


def test_only_the_tissue_around_the_box_counts():
    suv = noisy(0.1, (0.8, 0.8, 0.8)).astype(np.float32)
    suv[14:34, 14:34, 14:34] = 40 * np.random.default_rng(0).random((20, 20, 20))
    image = Grid(SHAPE, SPACING).image_from_array(suv)
    center, size = (94.0, 94.0, 70.5), (84.0, 84.0, 64.0)
    found = noise_around(place_box(image, Box(center, size), PatchSettings(), 1))
    assert found.level == pytest.approx(0.1, rel=0.25)


def test_noise_is_in_proportion_to_the_rise_and_never_takes_more_than_it():
    change = TissueChange(np.array([0.0, 2.0, 4.0, 4.0]), np.ones(4))
    np.testing.assert_allclose(change.with_noise(np.array([0.5, 0.5, -0.25, -3])).rise, [0, 3, 3, 0])
