"""Automatic placement: boxes of usual sizes in the requested region."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from placement_cases import ball, oblique_grid, overlap_mm, share_inside

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.lesions.lesion_sizes import WHOLE_BODY
from TumorGenCore.lesions.placement import (
    LEAST_EDGE_MM,
    LEAST_IN_BODY,
    MOST_EDGE_MM,
    MOST_STRETCH,
    draw_size,
    find_body,
    place_boxes,
)
from TumorGenCore.volumes.geometry import Box, Grid


def test_sizes_follow_the_lesions_of_the_field():
    rng = np.random.default_rng(3)
    edges = np.array([draw_size(rng) for _ in range(4000)])
    assert edges.min() >= LEAST_EDGE_MM and edges.max() <= MOST_EDGE_MM
    diameter = 2 * np.array([(3000 * volume / (4 * np.pi)) ** (1 / 3) for _, volume in WHOLE_BODY.volumes_ml])
    typical = np.cbrt(edges.prod(axis=1))
    for level, expected in zip((0.25, 0.5, 0.75), 2 * diameter[3:6], strict=True):
        assert np.quantile(typical, level) == pytest.approx(expected, rel=0.06)
    ratio = edges.max(axis=1) / edges.min(axis=1)
    assert ratio.max() <= (1 + MOST_STRETCH) ** 2 + 1e-9
    assert np.median(ratio) > 1.02


@pytest.mark.parametrize("seed", range(12))
def test_boxes_lie_in_region_volume_and_body_and_apart(seed):
    grid = oblique_grid()
    body = ball(grid, 85)
    region = ball(grid, 60) & ~ball(grid, 35)
    boxes = place_boxes(region, body, grid, np.random.default_rng(seed), count=3)
    assert len(boxes) == 3
    for box in boxes:
        center = np.rint(grid.lps_to_index(box.center_lps)).astype(int)
        assert region[tuple(center[::-1])]
        corners = grid.lps_to_index(box.corners_lps)
        assert np.all(corners >= -0.5 - 1e-6) and np.all(corners <= np.asarray(grid.size_ijk) - 0.5 + 1e-6)
        assert share_inside(box, body, grid) >= LEAST_IN_BODY
        assert box.axes == Box((0, 0, 0), (1, 1, 1)).axes
    assert all(overlap_mm(a, b) <= 0 for a, b in itertools.combinations(boxes, 2))


def test_places_fill_the_region_and_repeat_with_their_seed():
    grid = oblique_grid()
    region = ball(grid, 40)

    def centers() -> np.ndarray:
        return np.array(
            [place_boxes(region, ball(grid, 85), grid, np.random.default_rng(n))[0].center_lps for n in range(60)]
        )

    first = centers()
    assert np.array_equal(first, centers())
    middle = grid.index_to_lps((np.asarray(grid.size_ijk) - 1) / 2)
    # A ball's uniform density has a deviation of r / sqrt(5) along each axis.
    assert np.all(np.abs((first - middle).std(axis=0) - 40 / np.sqrt(5)) < 6)


def test_a_region_at_the_rim_of_the_body_is_refused():
    grid = oblique_grid()
    body = ball(grid, 60)
    shell = ball(grid, 95) & ~ball(grid, 85)
    with pytest.raises(InvalidBoxError, match=r"tumor 1 of 1.*larger region"):
        place_boxes(shell, body, grid, np.random.default_rng(0))


def test_too_many_tumors_and_too_small_volumes_are_refused():
    grid = oblique_grid()
    with pytest.raises(InvalidBoxError, match=r"tumor \d+ of 40.*fewer tumors"):
        place_boxes(ball(grid, 25), ball(grid, 85), grid, np.random.default_rng(0), count=40)
    small = Grid((6, 40, 40), (4.0, 4.0, 4.0))
    everywhere = np.ones((40, 40, 6), dtype=bool)
    with pytest.raises(InvalidBoxError, match="No place"):
        place_boxes(everywhere, everywhere, small, np.random.default_rng(0))


def test_a_volume_as_wide_as_the_least_box_takes_that():
    grid = Grid((7, 40, 40), (4.0, 4.0, 4.0))
    everywhere = np.ones((40, 40, 7), dtype=bool)
    (box,) = place_boxes(everywhere, everywhere, grid, np.random.default_rng(0))
    assert LEAST_EDGE_MM <= box.size_mm[0] <= 28


def test_an_empty_region_is_refused():
    grid = oblique_grid()
    with pytest.raises(InvalidBoxError, match="holds no voxel"):
        place_boxes(np.zeros(grid.size_ijk[::-1], dtype=bool), ball(grid, 85), grid, np.random.default_rng(0))


def test_body_of_a_real_scan_is_neither_air_nor_all(shared_data):
    image = sitk.ReadImage(str(shared_data / "whole_body" / "CCTH-A01_image.nii.gz"))
    body = find_body(sitk.GetArrayFromImage(image), image.GetSpacing())
    liters = body.sum() * np.prod(image.GetSpacing()) / 1e6
    assert 20 < liters < 120
    assert not body[:, 0, :].any() and not body[:, :, 0].any()
