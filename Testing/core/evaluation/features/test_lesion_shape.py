"""Sphericity, edge width and necrosis of bodies with known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from TumorGenCore.evaluation.features.lesion_shape import edge_fwhm_mm, necrosis_fraction, sphericity, surface_mm2

SPACINGS = [(2.0, 2.0, 2.0), (2.0, 2.0, 3.3)]


def radius_mm(spacing, edge_mm=100.0):
    """Distance from the middle of a cube, mm, (k, j, i)."""
    axes = [np.arange(-edge_mm / 2, edge_mm / 2, step) for step in spacing[::-1]]
    k, j, i = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(k**2 + j**2 + i**2)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_ball_has_its_surface_and_sphericity_1(spacing):
    ball = radius_mm(spacing) <= 25
    assert surface_mm2(ball, spacing) == pytest.approx(4 * math.pi * 25**2, rel=0.03)
    assert sphericity(ball, spacing) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("radius", [1.5, 2.5, 5.0])
def test_a_ball_of_few_voxels_is_a_ball_too(radius):
    found = []
    for shift in np.random.default_rng(0).uniform(-0.5, 0.5, size=(20, 3)):
        k, j, i = np.indices((16, 16, 16)) - 8 - shift[:, None, None, None]
        found.append(sphericity(k**2 + j**2 + i**2 <= radius**2, (4.0, 4.0, 4.0)))
    assert np.mean(found) == pytest.approx(0.98, abs=0.025)
    assert max(found) < 1.05


def test_a_rod_is_less_spherical_by_its_closed_form():
    mask = np.zeros((80, 30, 30), dtype=bool)
    j, i = np.indices((30, 30)) - 14.5
    mask[10:70] = j**2 + i**2 <= 100
    volume, surface = math.pi * 100 * 60, 2 * math.pi * 10 * 60 + 2 * math.pi * 100
    assert sphericity(mask, (1.0, 1.0, 1.0)) == pytest.approx(
        math.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface, rel=0.05
    )


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("fwhm", [6.0, 9.0])
def test_a_blurred_ball_has_the_edge_of_its_blur(spacing, fwhm):
    fine = radius_mm(spacing) <= 25
    suv = ndimage.gaussian_filter(1 + 7.0 * fine, [fwhm / 2.3548 / step for step in spacing[::-1]])
    assert edge_fwhm_mm(suv, fine, spacing) == pytest.approx(fwhm, rel=0.12)
    # A contour that is not quite on the edge does not change how sharp the uptake is.
    assert edge_fwhm_mm(suv, radius_mm(spacing) <= 22, spacing) == pytest.approx(fwhm, rel=0.12)


def test_a_shell_is_necrotic_by_its_core_and_a_blurred_ball_is_not():
    spacing = (2.0, 2.0, 2.0)
    radius = radius_mm(spacing)
    mask = radius <= 30
    shell = np.where(mask & (radius > 15), 8.0, 1.0)
    assert necrosis_fraction(shell, mask, spacing) == pytest.approx((15 / 30) ** 3, rel=0.05)
    blurred = ndimage.gaussian_filter(np.where(mask, 8.0, 0.5), 1.5)
    assert necrosis_fraction(blurred, mask, spacing) == 0


def test_an_empty_mask_has_no_figures_and_a_flat_scan_no_edge():
    nothing, flat = np.zeros((20, 20, 20), dtype=bool), np.ones((20, 20, 20))
    spacing = (2.0, 2.0, 2.0)
    assert math.isnan(sphericity(nothing, spacing))
    assert math.isnan(necrosis_fraction(flat, nothing, spacing))
    assert math.isnan(edge_fwhm_mm(flat, nothing, spacing))
    ball = radius_mm(spacing, 40.0) <= 10
    assert math.isnan(edge_fwhm_mm(flat, ball, spacing))
