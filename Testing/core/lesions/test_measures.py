"""SUV measures against closed forms."""

import math
from dataclasses import asdict

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.lesions.measures import PEAK_RADIUS_MM, measure_images, measure_lesion, peak_sphere


def ball(radius_mm, spacing_mm, edge_mm=60.0, center_mm=(0.0, 0.0, 0.0)):
    """Voxels (k, j, i) of a ball on a centered grid."""
    axes = [np.arange(-edge_mm / 2, edge_mm / 2, step) - c for step, c in zip(spacing_mm, center_mm, strict=True)]
    k, j, i = np.meshgrid(*reversed(axes), indexing="ij")
    return k**2 + j**2 + i**2 <= radius_mm**2


def test_the_peak_sphere_holds_one_milliliter():
    assert 4 / 3 * math.pi * PEAK_RADIUS_MM**3 == pytest.approx(1000)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (3.4, 3.4, 2.0), (5.5, 5.5, 3.3)])
def test_the_peak_sphere_sums_to_one_and_covers_one_milliliter(spacing):
    sphere = peak_sphere(spacing)
    assert sphere.sum() == pytest.approx(1)
    assert all(edge % 2 == 1 for edge in sphere.shape)
    whole = sphere.max()  # the middle voxel lies completely inside
    assert whole * 1000 / np.prod(spacing) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("spacing", [(1.5, 1.5, 1.5), (3.4, 3.4, 2.0)])
def test_a_uniform_ball(spacing):
    inside = ball(20, spacing)
    suv = np.where(inside, 8.0, 1.0)
    measures = measure_lesion(suv, inside, spacing)
    volume = inside.sum() * np.prod(spacing) / 1000
    assert volume == pytest.approx(4 / 3 * math.pi * 2.0**3, rel=0.03)
    assert measures.volume_ml == pytest.approx(volume)
    assert measures.mtv_ml == pytest.approx(volume)
    assert (measures.suv_max, measures.suv_mean, measures.suv_peak) == pytest.approx((8, 8, 8))
    assert measures.tlg == pytest.approx(8 * volume)


def test_a_ball_smaller_than_the_sphere_dilutes_the_peak():
    """A ball of half a milliliter with 10 on zero background: the sphere around it has a mean of 5."""
    spacing = (0.8, 0.8, 0.8)
    inside = ball((3 * 500 / (4 * math.pi)) ** (1 / 3), spacing, 30.0)
    measures = measure_lesion(np.where(inside, 10.0, 0.0), inside, spacing)
    assert measures.suv_peak == pytest.approx(5, rel=0.03)
    assert measures.suv_max == 10


def test_the_peak_is_the_best_position_and_not_the_hottest_voxel():
    spacing = (2.0, 2.0, 2.0)
    plateau = ball(10, spacing, center_mm=(12, 0, 0))
    suv = np.where(plateau, 6.0, 0.0)
    spike = ball(0.5, spacing, center_mm=(-14, 0, 0))
    suv[spike] = 20.0
    measures = measure_lesion(suv, plateau | spike, spacing)
    assert measures.suv_max == 20
    assert measures.suv_peak == pytest.approx(6)


def test_metabolic_volume_counts_from_41_percent_of_the_maximum():
    suv = np.zeros((3, 3, 3))
    suv[1, 1] = [10.0, 4.2, 4.0]
    measures = measure_lesion(suv, suv > 0, (10.0, 10.0, 10.0))
    assert measures.volume_ml == pytest.approx(3)
    assert measures.mtv_ml == pytest.approx(2)
    assert measures.tlg == pytest.approx(14.2)


def test_a_crop_measures_like_the_whole():
    rng = np.random.default_rng(0)
    suv = rng.gamma(2.0, 1.0, (40, 40, 40))
    inside = np.zeros(suv.shape, bool)
    inside[15:25, 16:22, 17:28] = True
    spacing = (3.0, 2.5, 4.0)
    crop = (slice(11, 29), slice(10, 28), slice(12, 33))
    assert measure_lesion(suv[crop], inside[crop], spacing) == measure_lesion(suv, inside, spacing)


def test_images_measure_like_their_arrays():
    rng = np.random.default_rng(1)
    suv = rng.gamma(2.0, 1.0, (40, 40, 40)).astype(np.float32)
    inside = np.zeros(suv.shape, np.uint8)
    inside[15:25, 16:22, 17:28] = 1
    image, mask = sitk.GetImageFromArray(suv * 1000), sitk.GetImageFromArray(inside)
    for each in (image, mask):
        each.SetSpacing((3.0, 2.5, 4.0))
    whole = measure_lesion(suv.astype(float), inside, (3.0, 2.5, 4.0))
    assert asdict(measure_images(image, mask, 0.001)) == pytest.approx(asdict(whole), rel=1e-5)


def test_an_empty_mask_has_no_uptake():
    measures = measure_lesion(np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool), (1.0, 1.0, 1.0))
    assert measures.volume_ml == measures.mtv_ml == 0
    assert all(math.isnan(v) for v in (measures.suv_max, measures.suv_mean, measures.suv_peak, measures.tlg))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="the same grid"):
        measure_lesion(np.ones((4, 4, 4)), np.zeros((4, 4, 5), bool), (1.0, 1.0, 1.0))
