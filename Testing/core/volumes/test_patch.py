"""The working patch samples the image correctly, pastes back to the same place, and reads only what it needs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from oracles import depth_inside, random_box, random_direction, random_image, voxel_centers

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch, paste_window

SMALL = PatchSettings(spacing_mm=3.0, context_mm=4.0)


def center_of(image: sitk.Image) -> np.ndarray:
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


def patch_points(patch: WorkingPatch) -> np.ndarray:
    return voxel_centers(patch.grid.empty_image())


def test_beyond_its_edges_the_volume_is_mirrored() -> None:
    image = sitk.GetImageFromArray(np.arange(4, dtype=np.float32).reshape(1, 1, 4).repeat(4, 0).repeat(4, 1))
    image.SetSpacing((10, 10, 10))
    patch = WorkingPatch.around(Box((15, 15, 15), (20, 20, 20)), PatchSettings(spacing_mm=5.0))
    mirrored = [3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0]
    expected = np.interp(patch_points(patch)[..., 0] / 10, np.arange(-4, 8), mirrored)
    np.testing.assert_allclose(patch.sample(image), expected, atol=1e-6)


@pytest.mark.parametrize("case", range(5))
def test_a_patch_knows_which_of_its_voxels_the_volume_holds(case: int) -> None:
    rng = np.random.default_rng(case)
    image = random_image(rng, (6, 7, 8))
    extent = np.array(image.GetSize()) * image.GetSpacing()
    field_of_view = Box(tuple(center_of(image)), tuple(extent), np.reshape(image.GetDirection(), (3, 3)))
    patch = WorkingPatch.around(random_box(rng, center_of(image), 20, 30), SMALL)
    depth = depth_inside(patch_points(patch), field_of_view)
    clear = np.abs(depth) > 1e-6
    inside = patch.inside(Grid.from_image(image))
    assert 0 < inside.sum() < inside.size
    np.testing.assert_array_equal(inside[clear], depth[clear] > 0)


@pytest.mark.parametrize("center", [(-500, 0, 0), (0, 800, 0), (-90, -90, -90)])
def test_a_patch_beside_the_volume_still_has_values(center: tuple[float, float, float]) -> None:
    image = sitk.GetImageFromArray(np.full((4, 4, 4), 3.5, dtype=np.float32))
    assert np.all(WorkingPatch.around(Box(center, (20, 20, 20)), SMALL).sample(image) == 3.5)


@pytest.mark.parametrize(
    ("size_mm", "settings", "size_ijk", "spacing_mm"),
    [
        ((20, 20, 20), PatchSettings(), (32, 32, 32), 2.5),  # 60 mm are 24 voxels
        ((40, 40.1, 80), PatchSettings(), (32, 48, 48), 2.5),  # 80 mm are 32 voxels, 80.1 mm one more
        ((280, 20, 20), PatchSettings(), (128, 32, 32), 2.5),  # just fits
        ((400, 20, 100), PatchSettings(), (128, 32, 48), 440 / 128),  # coarser
        ((30, 30, 30), PatchSettings(spacing_mm=2, context_mm=0, multiple=8, max_size=64), (16, 16, 16), 2),
    ],
)
def test_the_patch_holds_box_and_context_in_multiples(
    size_mm: tuple, settings: PatchSettings, size_ijk: tuple, spacing_mm: float
) -> None:
    box = Box((5, -7, 11), size_mm, random_direction(np.random.default_rng(0)))
    patch = WorkingPatch.around(box, settings)
    assert patch.grid.size_ijk == size_ijk
    assert patch.grid.spacing_mm == pytest.approx((spacing_mm,) * 3)
    np.testing.assert_allclose(patch.grid.corners_lps.mean(axis=0), box.center_lps, atol=1e-9)
    np.testing.assert_array_equal(patch.grid.direction, box.axes)


@pytest.mark.parametrize("case", range(30))
def test_any_box_gets_a_patch_that_is_large_and_small_enough(case: int) -> None:
    rng = np.random.default_rng(case)
    settings = PatchSettings()
    box = random_box(rng, np.zeros(3), least_mm=10, most_mm=400)
    patch = WorkingPatch.around(box, settings)
    size, spacing = np.array(patch.grid.size_ijk), patch.grid.spacing_mm[0]
    assert np.all(size % settings.multiple == 0)
    assert np.all(size <= settings.max_size)
    assert spacing >= settings.spacing_mm
    assert np.all(size * spacing >= np.array(box.size_mm) + 2 * settings.context_mm - 1e-6)


@pytest.mark.parametrize(
    ("size_mm", "message"),
    [((40, 9.9, 40), "9.9 mm thin, but the networks need at least 10 mm"), ((40, 401, 40), "401 mm long")],
)
def test_thin_and_huge_boxes_are_refused_by_name(size_mm: tuple, message: str) -> None:
    with pytest.raises(InvalidBoxError, match=message):
        WorkingPatch.around(Box((0, 0, 0), size_mm), PatchSettings())


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("case", range(5))
def test_coverage_sums_to_the_volume_of_the_box(case: int, factor: int) -> None:
    box = random_box(np.random.default_rng(case), np.zeros(3), least_mm=12, most_mm=60)
    patch = WorkingPatch.around(box, replace(SMALL, most_shift_mm=3.0) if case else SMALL)
    coverage = patch.box_coverage(factor)
    assert coverage.shape == tuple(n // factor for n in patch.grid.size_ijk[::-1])
    cell_ml = (patch.grid.spacing_mm[0] * factor) ** 3 / 1000
    assert coverage.sum(dtype=np.float64) * cell_ml == pytest.approx(np.prod(box.size_mm) / 1000, rel=1e-5)


@pytest.mark.parametrize("case", range(5))
def test_coverage_is_the_share_of_points_inside(case: int) -> None:
    rng = np.random.default_rng(case)
    box = random_box(rng, rng.uniform(-99, 99, 3), least_mm=12, most_mm=35)
    shift = rng.uniform(-5, 5, 3) if case else np.zeros(3)
    patch = WorkingPatch.of_size(box, (16, 16, 16), 3.0, shift)
    fine = WorkingPatch.of_size(box, (64, 64, 64), 0.75, shift)
    inside = (depth_inside(patch_points(fine), box) > 0).astype(float)
    share = inside.reshape(16, 4, 16, 4, 16, 4).mean(axis=(1, 3, 5))
    coverage = patch.box_coverage()
    np.testing.assert_allclose(coverage, share, atol=0.4)  # three faces, each rounded to a quarter of a voxel
    assert np.all(share[coverage == 1] == 1) and np.all(coverage[share == 1] > 0.6)
    depth = depth_inside(patch_points(patch), box)
    assert np.all(coverage[depth < -3 * np.sqrt(3) / 2] == 0)


@pytest.mark.parametrize("case", range(5))
def test_a_face_between_two_voxels_touches_one_of_them(case: int) -> None:
    rng = np.random.default_rng(case)
    box = random_box(rng, rng.uniform(-99, 99, 3), least_mm=12, most_mm=35)
    patch = WorkingPatch.of_size(replace(box, size_mm=(12.0, 24.0, 36.0)), (16, 16, 16), 3.0)
    assert set(np.unique(patch.box_coverage())) == {0, 1} and patch.box_coverage().sum() == 4 * 8 * 12


def test_the_faces_of_the_box_are_known_in_voxels() -> None:
    box = Box((5.0, -3.0, 9.0), (12.0, 24.0, 36.0))
    found = WorkingPatch.of_size(box, (16, 16, 16), 3.0, (3.0, 0.0, -3.0)).box_bounds()
    # Axes k, j, i: 36, 24 and 12 mm are 12, 8 and 4 voxels; the patch moved by a voxel, so the box moved back.
    np.testing.assert_allclose(found, [[2.5, 3.5, 4.5], [14.5, 11.5, 8.5]])


def test_the_window_is_zero_on_the_faces_and_rises_smoothly() -> None:
    grid = Grid((41, 1, 1), (1.0, 1.0, 1.0), (-20.0, 0.0, 0.0))
    everywhere = (slice(0, 1), slice(0, 1), slice(0, 41))
    window = paste_window(Box((0, 0, 0), (40, 40, 40)), grid, everywhere, taper_mm=4.0)[0, 0]
    np.testing.assert_allclose(window[:6], [0, 0.15625, 0.5, 0.84375, 1, 1])  # 3 r^2 - 2 r^3
    np.testing.assert_array_equal(window, window[::-1])
    thin = paste_window(Box((0, 0, 0), (10, 40, 40)), grid, everywhere, taper_mm=4.0)[0, 0]
    np.testing.assert_allclose(thin[15:20], [0, 0.5, 1, 1, 1])  # the taper shrinks to a fifth of the edge


@pytest.mark.parametrize("case", range(6))
def test_a_smooth_function_comes_back_to_its_native_voxels(case: int) -> None:
    rng = np.random.default_rng(case)
    image = random_image(rng, (16, 16, 16))
    native = Grid.from_image(image)
    center = center_of(image)
    box = random_box(rng, center, least_mm=20, most_mm=40)
    patch = WorkingPatch.around(box, PatchSettings(spacing_mm=2.0, context_mm=4.0))
    wave = rng.normal(size=3)
    wave *= 2 * np.pi / 50 / np.linalg.norm(wave)
    values, slices = patch.to_native(np.sin((patch_points(patch) - center) @ wave), native, patch.box)
    points = voxel_centers(image)[slices]
    inside = depth_inside(points, box) > 0
    assert inside.any()
    error = np.abs(values - np.sin((points - center) @ wave))[inside].max()
    assert error <= 2.0**2 / 8 * wave @ wave + 1e-5  # the bound of linear interpolation


def test_nothing_comes_back_to_a_volume_that_the_box_misses() -> None:
    patch = WorkingPatch.around(Box((500, 0, 0), (20, 20, 20)), SMALL)
    values, slices = patch.to_native(np.ones(patch.grid.size_ijk[::-1]), Grid((5, 5, 5), (1.0, 1.0, 1.0)), patch.box)
    assert values.size == 0
    assert np.ones((5, 5, 5))[slices].size == 0


def _large_volume() -> tuple[sitk.Image, sitk.Image, Box]:
    """Returns a volume of 200^3 voxels, a crop of it around a box, and the box."""
    rng = np.random.default_rng(0)
    large = sitk.Image([200, 200, 200], sitk.sitkUInt8)
    large.SetSpacing((1.7, 2.1, 2.9))
    large.SetOrigin((-100, 33, -400))
    large.SetDirection(random_direction(rng).ravel().tolist())
    crop = random_image(rng, (64, 60, 50), np.uint16)
    large = sitk.Paste(large, sitk.Cast(crop, sitk.sitkUInt8), crop.GetSize(), destinationIndex=(120, 30, 60))
    crop = sitk.RegionOfInterest(large, crop.GetSize(), (120, 30, 60))
    return large, crop, Box(tuple(center_of(crop)), (20, 16, 24))


def test_a_large_volume_gives_the_patch_of_its_crop() -> None:
    large, crop, box = _large_volume()
    patch = WorkingPatch.around(box, SMALL)
    values = patch.sample(large)
    assert values.std() > 10
    np.testing.assert_allclose(values, patch.sample(crop), rtol=1e-6, atol=1e-4)


def test_sampling_costs_no_more_in_a_large_volume() -> None:
    large, crop, box = _large_volume()
    patch = WorkingPatch.around(box, SMALL)

    def least_seconds(image: sitk.Image) -> float:
        times = []
        for _ in range(7):
            start = time.process_time()
            patch.sample(image)
            times.append(time.process_time() - start)
        return min(times)

    assert least_seconds(large) < 3 * least_seconds(crop) + 1e-3
