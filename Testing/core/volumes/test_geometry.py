"""Positions of voxels and boxes agree with SimpleITK and with the planes through the corners of a box."""

from __future__ import annotations

import re

import numpy as np
import pytest
import SimpleITK as sitk
from oracles import random_box, random_grid, random_image, voxel_centers
from scipy.spatial.transform import Rotation

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Box, Grid, ras_to_lps


def test_grid_survives_its_image_and_array_axes_are_kji() -> None:
    rng = np.random.default_rng(1)
    image = random_image(rng, (3, 4, 5))
    grid = Grid.from_image(image)
    again = grid.image_from_array(sitk.GetArrayFromImage(image))
    assert Grid.from_image(again) == grid
    assert again.GetPixel(2, 0, 4) == image.GetPixel(2, 0, 4)


def test_grid_corners_are_half_a_voxel_beyond_the_centers() -> None:
    grid = Grid((4, 5, 6), (1.0, 2.0, 3.0), (10.0, 20.0, 30.0))
    np.testing.assert_allclose(grid.corners_lps.min(axis=0), [9.5, 19.0, 28.5])
    np.testing.assert_allclose(grid.corners_lps.max(axis=0), [13.5, 29.0, 46.5])


def test_ras_is_lps_with_left_and_front_reversed() -> None:
    np.testing.assert_array_equal(ras_to_lps([[1, 2, 3], [-4, 5, -6]]), [[-1, -2, 3], [4, -5, -6]])
    np.testing.assert_array_equal(ras_to_lps(ras_to_lps([1, 2, 3])), [1, 2, 3])


def test_a_box_in_ras_without_axes_is_axis_aligned() -> None:
    box = Box.from_ras((10, 20, 30), (2, 4, 6))
    assert box.center_lps == (-10, -20, 30)
    low, high = box.corners_lps.min(axis=0), box.corners_lps.max(axis=0)
    np.testing.assert_allclose([low, high], [[-11, -22, 27], [-9, -18, 33]])


def test_a_voxel_on_a_face_is_outside() -> None:
    box = Box((0, 0, 0), (10, 20, 30))
    points = np.array([[5, 0, 0], [0, -10, 0], [0, 0, 15], [4.999, 9.999, -14.999]])
    assert box.contains(points).tolist() == [False, False, False, True]


def test_volume_is_in_milliliters() -> None:
    assert Box((0, 0, 0), (10, 20, 30)).volume_ml == 6


@pytest.mark.parametrize("case", range(20))
def test_depths_are_those_of_each_pair_of_faces(case: int) -> None:
    rng = np.random.default_rng(2000 + case)
    grid = random_grid(rng)
    box = random_box(rng, grid.corners_lps.mean(axis=0))
    region = tuple(slice(int(rng.integers(0, n // 2)), n) for n in grid.size_ijk[::-1])
    depths = np.stack(np.broadcast_arrays(*box.depths_mm(grid, region)), axis=-1)
    points = voxel_centers(grid.empty_image())[region]
    expected = np.asarray(box.size_mm) / 2 - np.abs(box.to_box(points))
    np.testing.assert_allclose(depths, expected, atol=1e-9)
    aligned = Box(box.center_lps, box.size_mm, grid.direction)
    lines = aligned.depths_mm(grid, region)
    assert [depth.size for depth in lines] == [s.stop - s.start for s in region[::-1]]
    np.testing.assert_allclose(
        np.stack(np.broadcast_arrays(*lines), axis=-1),
        np.asarray(box.size_mm) / 2 - np.abs(aligned.to_box(points)),
        atol=1e-9,
    )


def test_a_box_holds_voxels_where_not_the_nearest_but_another_lies_inside() -> None:
    grid = Grid((20, 20, 20), (4.0, 4.0, 4.0))
    turned = Rotation.from_euler("z", 45, degrees=True).as_matrix()
    # The voxel nearest to the center of the thin box, (40, 40, 40), is 2 mm off its middle plane; others are nearer.
    for center, axes, size in (((38.5, 38, 39), np.eye(3), (10, 10, 10)), ((39, 38.2, 38), turned, (2.5, 60, 10))):
        box = Box(center, size, axes.tolist())
        assert box.holds_voxels(grid) and box.voxels(grid)[0].any()
    for center, size in (((38.0, 38.0, 38.0), (3, 3, 3)), ((-30.0, 38.0, 38.0), (40, 40, 40))):
        box = Box(center, size)
        assert not box.holds_voxels(grid) and not box.voxels(grid)[0].any()


def test_index_bounds_are_empty_when_the_box_misses() -> None:
    grid = Grid((10, 10, 10), (1.0, 1.0, 1.0))
    for center in ((-50, 5, 5), (5, 60, 5), (1e300, 5, 5)):
        start, stop = Box(center, (10, 10, 10)).index_bounds(grid)
        assert np.any(stop <= start)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size_mm": (0, 10, 10)}, r"\(0.0, 10.0, 10.0\) mm must be positive"),
        ({"size_mm": (10, -1, 10)}, "must be positive"),
        ({"size_mm": (10, float("nan"), 10)}, "must be positive"),
        ({"size_mm": (10, float("inf"), 10)}, "must be positive"),
        ({"size_mm": (10, 10)}, "three numbers"),
        ({"size_mm": None}, "three numbers"),
        ({"center_lps": (0, float("nan"), 0)}, "center .* is not finite"),
        ({"center_lps": (float("inf"), 0, 0)}, "center .* is not finite"),
        ({"center_lps": "here"}, "three numbers"),
        ({"axes": np.eye(2)}, "three numbers"),
        ({"axes": np.diag([1, 1, 2])}, "not orthonormal"),
        ({"axes": [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]}, "not orthonormal"),
        ({"axes": np.full((3, 3), np.nan)}, "not orthonormal"),
        ({"axes": np.zeros((3, 3))}, "not orthonormal"),
    ],
)
def test_a_broken_box_is_refused_by_name(changes: dict, message: str) -> None:
    with pytest.raises(InvalidBoxError, match=message):
        Box(**{"center_lps": (0, 0, 0), "size_mm": (10, 10, 10), **changes})


def _image(
    spacing: tuple = (1, 1, 1), origin: tuple = (0, 0, 0), direction: tuple = tuple(np.eye(3).flat)
) -> sitk.Image:
    image = sitk.Image([4, 4, 4], sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (sitk.Image([4, 4], sitk.sitkFloat32), "has 2 dimensions, but TumorGen needs 3"),
        (sitk.Image([4, 4, 4, 4], sitk.sitkFloat32), "has 4 dimensions, but TumorGen needs 3"),
        (sitk.Image([4, 0, 4], sitk.sitkFloat32), "empty: its size is (4, 0, 4)"),
        (_image(spacing=(1, float("nan"), 1)), "spacing (1.0, nan, 1.0) mm must be positive"),
        (_image(origin=(0, float("inf"), 0)), "origin (0.0, inf, 0.0) is not finite"),
        (_image(direction=(1, 0, 0, 1, 1e-4, 0, 0, 0, 1)), "singular"),
    ],
)
def test_a_broken_volume_is_refused_by_name(image: sitk.Image, message: str) -> None:
    with pytest.raises(UnsupportedVolumeError, match=re.escape(message)):
        Grid.from_image(image)
