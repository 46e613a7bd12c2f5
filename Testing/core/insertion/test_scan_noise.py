"""Noise of a scan is measured as it was made, and drawn as it was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.paste import BoxRegion
from TumorGenCore.insertion.placed import place_box
from TumorGenCore.insertion.scan_noise import ScanNoise, measure_noise, noise_around
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

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
    # 2.355 deviations along z, y, x, in mm.
    assert found.grain_mm == pytest.approx(2.355 * (0.9 * 3 + 0.7 * 4 + 0.5 * 4) / 3, abs=1.0)


def test_what_is_drawn_has_the_level_and_the_autocorrelation():
    drawn = ScanNoise(0.3, (1.0, 0.8, 0.6), 0.0).draw((60, 60, 60), seed=1)
    assert drawn.std() == pytest.approx(0.3, rel=0.05) and abs(drawn.mean()) < 0.01
    for axis, sigma in enumerate((1.0, 0.8, 0.6)):
        weights = ndimage.gaussian_filter1d(np.eye(1, 41, 20)[0], sigma)
        expected = (weights[1:] * weights[:-1]).sum() / (weights**2).sum()
        assert correlation(drawn, axis) == pytest.approx(expected, abs=0.03)


def test_a_seed_draws_the_same_noise_and_another_seed_another():
    noise = ScanNoise(0.3, (1.0, 0.8, 0.6), 0.0)
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
    assert not smooth.draw((5, 5, 5), 0).round(6).any() and not ScanNoise(0, (0, 0, 0), 0.0).draw((5, 5, 5), 0).any()


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


def test_a_scan_of_a_coarser_grain_blurs_by_the_difference() -> None:
    """Grain and blur add in squares, as the widths of Gaussians do."""
    coarse = ScanNoise(0.1, (1.0, 1.0, 1.0), 10.0)
    assert 2.355 * coarse.lost_sigma_mm(6.0) == pytest.approx(8.0, rel=1e-3)
    assert coarse.lost_sigma_mm(10.0) == coarse.lost_sigma_mm(0) == coarse.lost_sigma_mm(12.0) == 0


def test_blur_keeps_the_uptake_that_a_tumor_brings_and_the_share_that_it_takes() -> None:
    rise = np.zeros((24, 24, 24))
    rise[12, 12, 12] = 5.0
    change = TissueChange(rise, np.full(rise.shape, 0.7))
    blurred = change.blurred(2.0)
    assert blurred.rise.sum() == pytest.approx(5.0) and blurred.rise.max() < 0.1
    spread = np.sqrt((blurred.rise.sum(axis=(0, 1)) * (np.arange(24) - 12) ** 2).sum() / 5.0)
    assert spread == pytest.approx(2.0, rel=0.05)
    assert blurred.kept is change.kept and change.blurred(0) is change


def test_nothing_changes_beyond_a_turned_patch() -> None:
    """The corners of a large box lie outside the patch that is turned by 45 degrees."""
    scan = Grid((60, 60, 60), (4.0, 4.0, 4.0)).image_from_array(np.full((60, 60, 60), 2.0, np.float32))
    box = Box((118.0, 118.0, 118.0), (200.0, 200.0, 200.0))
    placed = place_box(scan, box, PatchSettings(context_mm=8.0), 1)
    turn = Rotation.from_euler("z", 45, degrees=True).as_matrix()
    turned = replace(placed, patch=WorkingPatch.around(replace(box, axes=tuple(map(tuple, turn))), PatchSettings()))
    shape = turned.patch.grid.size_ijk[::-1]
    region = BoxRegion.of(turned)
    change = region.change(TissueChange(np.zeros(shape), np.full(shape, 0.5)))
    after = change.on(region.suv)
    corners = region.window == 1
    assert after[corners].min() == pytest.approx(1.0)  # Half of the tissue stays inside the patch,
    assert after[corners].max() == pytest.approx(2.0)  # and all of it beyond.
