"""The border of balls and cubes: depth, profile, steepness, and slopes along the axes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from TumorGenCore.lesions.border import border_anisotropy, depth_mm, profile, steepest_fall

SPACING = (2.0, 2.0, 4.0)
K, J, I = np.indices((41, 81, 81))  # noqa: E741
AWAY = np.sqrt((4.0 * (K - 20)) ** 2 + (2.0 * (J - 40)) ** 2 + (2.0 * (I - 40)) ** 2)
BALL = AWAY <= 40
CUBE = (np.abs(K - 20) <= 8) & (np.abs(J - 40) <= 16) & (np.abs(I - 40) <= 16)


def test_depth_is_positive_inside_and_negative_outside():
    depth = depth_mm(BALL, SPACING)
    assert (depth[BALL] > 0).all() and (depth[~BALL] < 0).all()
    # The distance to the nearest voxel center beyond the border, minus half a voxel: right to about a voxel.
    assert np.abs(depth - (40 - AWAY)).max() < 4


def test_the_profile_is_the_mean_in_each_shell_as_a_share_of_the_height():
    depth = depth_mm(BALL, SPACING)
    suv = np.where(depth > 0, 9.0, np.where(depth > -6, 3.0, 1.0))
    found = profile(suv, depth, (-12.0, -6.0, 0.0, 6.0), low=1.0, height=8.0)
    np.testing.assert_allclose(found, [0, 0.25, 1])
    assert np.isnan(profile(suv, depth, (200.0, 300.0), 1.0, 8.0)).all()


def test_the_steepness_of_a_ramp_is_its_slope_over_the_height():
    suv = np.clip(10 - 0.25 * (AWAY - 20), 0, None)
    assert steepest_fall(suv, depth_mm(BALL, SPACING), SPACING, height=5.0) == pytest.approx(0.05, rel=0.02)
    assert math.isnan(steepest_fall(suv, depth_mm(BALL, SPACING), SPACING, height=0.0))


def test_a_ball_has_no_preferred_axis_and_a_cube_has():
    soft = [ndimage.gaussian_filter(mask.astype(float), 6.0 / np.array(SPACING[::-1])) for mask in (BALL, CUBE)]
    depths = [depth_mm(mask, SPACING) for mask in (BALL, CUBE)]
    ball, cube = (border_anisotropy(values, depth, SPACING) for values, depth in zip(soft, depths, strict=True))
    assert ball == pytest.approx(0, abs=0.03)
    assert cube > 0.2
    assert math.isnan(border_anisotropy(np.ones(BALL.shape), depths[0], SPACING))
