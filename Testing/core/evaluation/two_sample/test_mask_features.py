"""Features of the form of masks: what they say of forms that are known, whatever the size."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.evaluation.two_sample.mask_features import MASK_FEATURES, border_roughness, mask_features

SPACING = (2.0, 2.0, 2.0)


def ellipsoid(*half: float) -> np.ndarray:
    k, j, i = np.indices((60, 60, 60)) - 29.5
    return (k / half[0]) ** 2 + (j / half[1]) ** 2 + (i / half[2]) ** 2 <= 1


@pytest.mark.parametrize("radius", [6, 12, 20])
def test_a_ball_of_any_size_is_round_and_smooth(radius) -> None:
    found = mask_features(ellipsoid(radius, radius, radius), SPACING)
    assert list(found) == list(MASK_FEATURES)
    assert found["sphericity"] > 0.95 and found["solidity"] > 0.8 and found["lumps"] == 1
    assert found["middle_axis"] == pytest.approx(1, abs=0.01) and found["short_axis"] == pytest.approx(1, abs=0.01)
    assert found["roughness"] < 0.06 and abs(found["faces"]) < 0.03


def test_a_long_body_has_short_axes() -> None:
    found = mask_features(ellipsoid(24, 12, 6), SPACING)
    assert found["middle_axis"] == pytest.approx(0.5, abs=0.03) and found["short_axis"] == pytest.approx(0.25, abs=0.03)


def test_a_cube_has_faces_and_two_balls_have_two_lumps() -> None:
    cube = np.zeros((60, 60, 60), dtype=bool)
    cube[18:42, 18:42, 18:42] = True
    assert mask_features(cube, SPACING)["faces"] > 0.15
    beads = np.roll(ellipsoid(9, 9, 9), -9, axis=0) | np.roll(ellipsoid(9, 9, 9), 9, axis=0)
    assert mask_features(beads, SPACING)["lumps"] == 2


def test_a_jagged_border_is_rough() -> None:
    smooth = ellipsoid(15, 15, 15)
    jagged = smooth ^ (
        ellipsoid(17, 17, 17) & ~ellipsoid(13, 13, 13) & (np.random.default_rng(0).random((60,) * 3) < 0.3)
    )
    assert border_roughness(jagged, SPACING) > 3 * border_roughness(smooth, SPACING)


def test_an_empty_mask_has_no_form() -> None:
    empty = np.zeros((4, 4, 4), dtype=bool)
    assert np.isnan(list(mask_features(empty, SPACING).values())).all() and np.isnan(border_roughness(empty, SPACING))
