"""M' is fitted to the uptake that it marks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.insertion.mask_fitting import RIM_MM, SMOOTHING_MM, fitted, fitted_share, grown, smoothed, trimmed
from TumorGenCore.lesions.agreement import dice
from TumorGenCore.lesions.avid_part import metabolic_part, threshold_of

#: SUV of the tissue around the tumors of these tests, and their threshold.
TISSUE, SHARE = 0.5, 0.35


def _threshold(suv: NDArray, mask: NDArray) -> float:
    return threshold_of(suv[mask > 0.5], SHARE, TISSUE)


def _distance(edge: int = 31) -> NDArray[np.float64]:
    """Distance from the center, voxels."""
    axes = np.indices((edge,) * 3) - edge // 2
    return np.sqrt((axes**2).sum(axis=0))


def _cone(slope: float = 0.6) -> NDArray[np.float64]:
    """Uptake that falls evenly from 10 in the center to 0."""
    return np.clip(10 - slope * _distance(), 0, None)


def test_a_mask_that_reaches_beyond_the_uptake_becomes_its_metabolic_part() -> None:
    suv, wide = _cone(), np.where(_distance() < 13, 0.9, 0.1)
    part = metabolic_part(suv, wide > 0.5, SHARE, TISSUE)
    assert 0 < part.sum() < 0.8 * (wide > 0.5).sum()
    np.testing.assert_array_equal(trimmed(wide, suv, 1.0, TISSUE, SHARE) > 0.5, part)


def test_a_mask_on_its_uptake_stays_as_it_is() -> None:
    suv, near = _cone(), np.where(_distance() < 4, 0.9, 0.1)
    np.testing.assert_array_equal(trimmed(near, suv, 1.0, TISSUE, SHARE), near)


def test_the_border_lies_between_voxels_where_the_uptake_crosses_the_threshold() -> None:
    suv, wide = _cone(), np.where(_distance() < 13, 0.9, 0.1)
    threshold = _threshold(suv, wide)
    cut = trimmed(wide, suv, 1.0, TISSUE, SHARE)
    beyond = (wide > 0.5) & (cut <= 0.5)
    np.testing.assert_allclose(cut[beyond], 0.5 * suv[beyond] / threshold)


def test_a_cold_core_is_kept() -> None:
    suv = np.where(_distance() < 3, 0.5, _cone(0.3))
    assert (trimmed(np.where(_distance() < 8, 0.9, 0.0), suv, 1.0, TISSUE, SHARE) > 0.5)[15, 15, 15]


def test_only_the_rim_is_trimmed() -> None:
    """A tumor that is hot on one side keeps its cold half, except for the rim."""
    suv, wide = np.full((31, 31, 31), 0.5), _distance() < 13
    suv[:, :, 15:] = 8.0
    kept = trimmed(np.where(wide, 0.9, 0.1), suv, 1.0, TISSUE, SHARE) > 0.5
    assert not metabolic_part(suv, wide, SHARE, TISSUE)[15, 15, 10]
    assert kept[15, 15, 10]
    assert not kept[15, 15, 15 - 13 : 15 - 13 + int(RIM_MM)].any()


@pytest.mark.parametrize("suv", [0.0, 1.0])
def test_even_uptake_has_nothing_to_trim(suv: float) -> None:
    probability = np.where(_distance() < 5, 0.9, 0.1).astype(np.float32)
    cut = trimmed(probability, np.full(probability.shape, suv), 1.0, TISSUE, SHARE)
    np.testing.assert_array_equal(cut, probability)
    assert cut.dtype == np.float32


def test_no_tumor_has_nothing_to_trim() -> None:
    none = np.zeros((5, 5, 5), np.float32)
    np.testing.assert_array_equal(trimmed(none, np.ones(none.shape), 1.0, TISSUE, SHARE), none)


def test_a_mask_that_ends_before_its_uptake_grows_to_the_threshold() -> None:
    suv, small = _cone(), np.where(_distance() < 7, 0.9, 0.1)
    threshold = _threshold(suv, small)
    more = grown(small, suv, suv, 1.0, TISSUE, SHARE) > 0.5
    added = more & (small <= 0.5)
    assert added.any() and suv[added].min() > threshold
    assert suv[~more].max() <= threshold < suv[more].min()


def test_no_mask_grows_beyond_the_rim() -> None:
    even = np.full((31, 31, 31), 5.0)
    more = grown(np.where(_distance() < 3, 0.9, 0.1), even, even, 1.0, TISSUE, SHARE) > 0.5
    assert (_distance()[more] <= 3 + RIM_MM).all() and more[15, 15, 15 + 6]


def test_a_hot_organ_beside_the_tumor_stays_outside() -> None:
    """Uptake that was there before does not belong to the tumor."""
    tumor = np.where(_distance() < 6, 8.0, 0.0)
    organ = np.zeros_like(tumor)
    organ[:, :, 21:] = 12.0
    mask = np.where(_distance() < 5, 0.9, 0.1)
    more = grown(mask, tumor + organ, tumor, 1.0, TISSUE, SHARE) > 0.5
    assert not more[:, :, 21:].any()
    assert grown(mask, tumor + organ, tumor + organ, 1.0, TISSUE, SHARE)[:, :, 21:].max() > 0.5


def test_fitting_trims_and_grows() -> None:
    """A mask beside its uptake moves onto it."""
    suv = _cone(1.0)
    beside = np.where(np.roll(_distance(), 3, axis=2) < 6, 0.9, 0.1)
    part = suv > _threshold(suv, beside)
    before, after = (dice(mask > 0.5, part) for mask in (beside, fitted(beside, suv, suv, 1.0, TISSUE, Tuning())))
    assert after > before + 0.1


def test_the_threshold_rises_with_the_volume_between_its_bounds() -> None:
    shares = [fitted_share(volume, Tuning()) for volume in (0.0, 1.0, 50.0, (50 * 600) ** 0.5, 600.0, 1e6)]
    assert shares == pytest.approx([0.35, 0.35, 0.35, 0.4, 0.45, 0.45])


def test_the_volume_of_the_mask_sets_the_threshold_of_fitting() -> None:
    suv, wide = _cone(), np.where(_distance() < 12, 0.9, 0.1)

    def steps(share: float) -> NDArray:
        return smoothed(grown(trimmed(wide, suv, 2.5, TISSUE, share), suv, suv, 2.5, TISSUE, share), 2.5)

    share = fitted_share((wide > 0.5).sum() * 2.5**3 / 1000, Tuning())
    assert share > 0.38
    np.testing.assert_array_equal(fitted(wide, suv, suv, 2.5, TISSUE, Tuning()), steps(share))
    assert (steps(share) > 0.5).sum() < (steps(0.35) > 0.5).sum()


def test_no_tumor_has_nothing_to_grow() -> None:
    none = np.zeros((5, 5, 5), np.float32)
    np.testing.assert_array_equal(grown(none, np.ones(none.shape), np.ones(none.shape), 1.0, TISSUE, SHARE), none)


def test_in_hotter_tissue_the_border_lies_higher() -> None:
    """Tissue counts up to half the tumor's uptake, so that a faint tumor in a hot organ keeps a mask."""
    suv, wide = _cone(), np.where(_distance() < 13, 0.9, 0.1)
    volumes = [int((trimmed(wide, suv, 1.0, tissue, SHARE) > 0.5).sum()) for tissue in (0.0, 1.0, 2.0, 100.0)]
    assert volumes == sorted(volumes, reverse=True) and len(set(volumes)) == len(volumes)
    hottest = np.percentile(suv[wide > 0.5], 95)
    assert suv[trimmed(wide, suv, 1.0, 100.0, SHARE) > 0.5].min() > (0.5 + 0.5 * SHARE) * hottest


def test_smoothing_takes_the_teeth_of_noise_and_keeps_the_size() -> None:
    ball = _distance() < 9
    teeth = np.random.default_rng(0).random(ball.shape) < 0.3
    rough = np.where(ball ^ (teeth & (abs(_distance() - 9) < 1.5)), 0.95, 0.05)
    smooth = smoothed(rough, SMOOTHING_MM) > 0.5
    assert dice(smooth, ball) > dice(rough > 0.5, ball) + 0.02
    assert smooth.sum() == pytest.approx(ball.sum(), rel=0.06)


def test_smoothing_knows_the_spacing() -> None:
    """With large voxels there is almost nothing to smooth."""
    sharp = np.where(_distance() < 9, 0.95, 0.05)
    np.testing.assert_allclose(smoothed(sharp, 10 * SMOOTHING_MM), sharp, atol=1e-6)


def test_smoothing_of_the_neighborhood_is_that_of_the_patch() -> None:
    probability = np.random.default_rng(0).random((40, 44, 48)) * 0.5
    probability[15:22, 10:20, 20:25] += 0.5
    everywhere = ndimage.gaussian_filter(probability, SMOOTHING_MM, truncate=3.0)
    np.testing.assert_array_equal(smoothed(probability, 1.0) > 0.5, everywhere > 0.5)


def test_a_tumor_too_small_to_be_smoothed_stays() -> None:
    small = np.where(_distance() < 1, 0.9, 0.1)
    np.testing.assert_array_equal(smoothed(small, 1.0), small)
