"""What holds for any grid, box and file: a voxel keeps its place, whatever its spacing, direction and order of axes."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from any_geometry import ORDERS, boxes, cases, directions, few_cases, grids, noise, numbers, triples
from dicom_slices import write_slice
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracles import SIGNS, corners, depth_inside, voxel_centers

from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.markups import read_box, write_box
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch, paste_window
from TumorGenCore.volumes.read import read_mask, read_volume
from TumorGenCore.volumes.write import write_segmentation, write_volume


def read_quietly(path: Path) -> sitk.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_volume(path, suv_factor=1.0).image


def far_corners(image: sitk.Image) -> NDArray[np.float64]:
    """The places of the 8 corner voxels, from SimpleITK."""
    picks = ((SIGNS + 1) // 2 * (np.array(image.GetSize()) - 1)).tolist()
    return np.array([image.TransformIndexToPhysicalPoint(pick) for pick in picks])


@cases
@given(
    grid=grids(),
    suffix=st.sampled_from([".nrrd", ".mha", ".nii", ".nii.gz"]),
    dtype=st.sampled_from(["f4", "f8", "i2"]),
)
def test_a_written_volume_is_read_in_the_same_place(grid: Grid, suffix: str, dtype: str) -> None:
    image = noise(grid, dtype)
    image[0, 0, 0] = 7
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        write_volume(image, path)
        back = read_quietly(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    assert back.GetPixelID() == image.GetPixelID()
    # NIfTI has 32 bits for each number of its matrix.
    tolerance = 2e-3 if suffix.startswith(".nii") else 1e-7
    np.testing.assert_allclose(far_corners(back), far_corners(image), rtol=0, atol=tolerance)


@few_cases
@given(grid=grids())
def test_a_written_segmentation_is_read_on_its_grid_and_on_another_order_of_its_axes(grid: Grid) -> None:
    mask = grid.image_from_array((np.random.default_rng(1).random(grid.size_ijk[::-1]) > 0.5).astype(np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.seg.nrrd"
        write_segmentation(mask, path)
        np.testing.assert_array_equal(read_mask(path, grid), sitk.GetArrayFromImage(mask) > 0)
        turned = sitk.Flip(sitk.PermuteAxes(mask, [2, 0, 1]), [True, False, True])
        on_turned = read_mask(path, Grid.from_image(turned))
    np.testing.assert_array_equal(on_turned, sitk.GetArrayFromImage(turned) > 0)


@few_cases
@given(grid=grids(most=5, left_handed=False), reverse=st.booleans())
def test_a_dicom_series_is_read_where_its_slices_lie(grid: Grid, reverse: bool) -> None:
    stored = np.random.default_rng(grid.size_ijk).integers(1, 1000, grid.size_ijk[::-1]).astype(np.int16)
    rows = np.array(grid.direction)
    i, j, k = grid.size_ijk
    dx, dy, _ = grid.spacing_mm
    with tempfile.TemporaryDirectory() as folder:
        for n in range(k):
            tags = {
                "Rows": j,
                "Columns": i,
                "PixelSpacing": [dy, dx],
                "ImageOrientationPatient": [f"{v:.12f}" for v in rows[:, :2].T.ravel()],
                "ImagePositionPatient": [f"{v:.8f}" for v in grid.index_to_lps([0, 0, n])],
                "PixelData": stored[n].tobytes(),
            }
            write_slice(Path(folder) / f"{k - n if reverse else n}.dcm", 0, 0, 0.01, "1.2.3", **tags)
        back = read_quietly(Path(folder))
    right = grid.image_from_array((stored * 0.01).astype(np.float32))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(right))
    np.testing.assert_allclose(far_corners(back), far_corners(right), rtol=0, atol=1e-5)


@cases
@given(grid=grids(), indices=st.lists(triples(-5, 25), min_size=1, max_size=5))
def test_index_and_place_are_those_of_simpleitk(grid: Grid, indices: list) -> None:
    image = grid.empty_image()
    places = np.array([image.TransformContinuousIndexToPhysicalPoint(index) for index in indices])
    np.testing.assert_allclose(grid.index_to_lps(indices), places, rtol=0, atol=1e-9)
    np.testing.assert_allclose(grid.lps_to_index(places), indices, rtol=0, atol=1e-7)


@cases
@given(data=st.data(), grid=grids())
def test_the_voxels_of_a_box_have_box_coordinates_within_half_its_size(data: st.DataObject, grid: Grid) -> None:
    box = data.draw(boxes(grid))
    coordinates = (voxel_centers(grid.empty_image()) - box.center_lps) @ np.array(box.axes)
    depth = (np.array(box.size_mm) / 2 - np.abs(coordinates)).min(axis=-1)
    clear = np.abs(depth) > 1e-5  # on a face, rounding decides
    inside, region = box.voxels(grid)
    whole = np.zeros(grid.size_ijk[::-1], dtype=bool)
    whole[region] = inside
    np.testing.assert_array_equal(whole[clear], depth[clear] > 0)
    np.testing.assert_array_equal(box.mask(grid), whole)
    assert box.holds_voxels(grid) == whole.any()


@cases
@given(data=st.data(), box=boxes())
def test_inside_is_the_inner_side_of_six_planes(data: st.DataObject, box: Box) -> None:
    points = np.array(box.center_lps) + np.array(data.draw(st.lists(triples(-90, 90), min_size=1, max_size=20)))
    depth = depth_inside(points, box)
    clear = np.abs(depth) > 1e-5
    np.testing.assert_array_equal(box.contains(points)[clear], depth[clear] > 0)
    np.testing.assert_allclose(box.to_lps(box.to_box(points)), points, rtol=0, atol=1e-9)


@cases
@given(data=st.data(), grid=grids())
def test_a_box_beside_a_grid_or_across_its_edge_bounds_its_voxels(data: st.DataObject, grid: Grid) -> None:
    place = grid.index_to_lps(np.array(data.draw(triples(-0.5, 1.5))) * grid.size_ijk)
    box = Box(tuple(place), data.draw(triples(0.5, 99)), data.draw(directions()))  # type: ignore[arg-type]
    start, stop = box.index_bounds(grid)
    assert np.all(start >= 0) and np.all(stop <= grid.size_ijk)
    inside = np.argwhere(depth_inside(voxel_centers(grid.empty_image()), box) > 1e-5)[:, ::-1]
    assert np.all(inside >= start) and np.all(inside < stop)
    span = grid.lps_to_index(corners(box))
    assert np.all(start >= np.clip(span.min(axis=0) - 1.001, 0, grid.size_ijk))
    assert np.all(stop <= np.clip(span.max(axis=0) + 2.001, 0, grid.size_ijk))
    wide_start, wide_stop = box.index_bounds(grid, margin_voxels=2)
    for bound, wide, step in ((start, wide_start, -2), (stop, wide_stop, 2)):
        known = (bound > 0) & (bound < grid.size_ijk)  # others were cut at the edge of the grid
        np.testing.assert_array_equal(wide[known], np.clip(bound + step, 0, grid.size_ijk)[known])


@cases
@given(box=boxes(), order=st.sampled_from(ORDERS), signs=st.tuples(*[st.sampled_from([1.0, -1.0])] * 3))
def test_every_description_of_a_box_has_one_canonical_form(box: Box, order: tuple, signs: tuple) -> None:
    size, axes = np.array(box.size_mm)[list(order)], np.array(box.axes)[:, list(order)] * signs
    other = Box(box.center_lps, tuple(size), axes).canonical()  # type: ignore[arg-type]
    apart = np.sort(np.abs(np.array(box.axes)), axis=1)
    assume(np.all(np.diff(apart, axis=1) > 1e-9))  # at 45 degrees, two axes are equally near
    assert other.size_mm == box.canonical().size_mm
    np.testing.assert_array_equal(other.axes, box.canonical().axes)
    np.testing.assert_allclose(
        np.sort(other.corners_lps.round(6), axis=0), np.sort(corners(box).round(6), axis=0), rtol=0, atol=2e-6
    )


@cases
@given(box=boxes())
def test_an_roi_is_the_same_in_ras_and_lps_and_comes_back_from_its_file(box: Box) -> None:
    to_ras = np.diag([-1.0, -1.0, 1.0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roi.mrk.json"
        write_box(box, path)
        assert read_box(path) == box
        content = json.loads(path.read_text())
        content["markups"][0] |= {
            "coordinateSystem": "RAS",
            "center": (to_ras @ box.center_lps).tolist(),
            "orientation": (to_ras @ np.array(box.axes)).ravel().tolist(),
        }
        path.write_text(json.dumps(content))
        in_ras = read_box(path)
    assert in_ras == box
    assert Box.from_ras(to_ras @ box.center_lps, box.size_mm, to_ras @ np.array(box.axes)) == box


PATCH = PatchSettings(spacing_mm=2.0, context_mm=4.0, min_box_mm=8.0)


@few_cases
@given(data=st.data(), grid=grids(spacing=(2.0, 8.0), most=12), slope=triples(-0.1, 0.1))
def test_a_plane_of_values_goes_to_the_patch_and_back_unchanged(data: st.DataObject, grid: Grid, slope: tuple) -> None:
    middle = grid.index_to_lps((np.array(grid.size_ijk) - 1) / 2)
    ramp = ((voxel_centers(grid.empty_image()) - middle) @ slope).astype(np.float32)
    box = Box(tuple(middle), data.draw(triples(8, 30)), data.draw(directions()))  # type: ignore[arg-type]
    patch = WorkingPatch.around(box, PATCH)
    on_patch = patch.sample(grid.image_from_array(ramp))
    places = voxel_centers(patch.grid.empty_image())
    index = grid.lps_to_index(places)
    within = np.all((index >= 0) & (index <= np.array(grid.size_ijk) - 1), axis=-1)
    np.testing.assert_allclose(on_patch[within], ((places - middle) @ slope)[within], rtol=0, atol=1e-4)
    back, slices = patch.to_native(((places - middle) @ slope).astype(np.float32), grid, patch.box)
    inside = box.voxels(grid)[0]
    np.testing.assert_allclose(back[inside], ramp[slices][inside], rtol=0, atol=1e-4)


@cases
@given(data=st.data(), grid=grids())
def test_the_window_of_a_change_is_zero_outside_the_box_and_one_deep_inside(data: st.DataObject, grid: Grid) -> None:
    box, taper = data.draw(boxes(grid, least=10)), data.draw(numbers(0.5, 2))
    everywhere = tuple(slice(0, n) for n in grid.size_ijk[::-1])
    window = paste_window(box, grid, everywhere, taper)  # type: ignore[arg-type]
    depth = depth_inside(voxel_centers(grid.empty_image()), box)
    assert window.dtype == np.float32
    assert np.all(window[depth < -1e-9] == 0)
    assert np.all(window[depth > 1e-3] > 0)
    assert np.all(window[(depth > 1e-3) & (depth < 0.98 * taper)] < 1)
    assert np.all(window[depth > taper + 1e-6] == 1)
    region = tuple(slice(n // 3, n) for n in window.shape)
    np.testing.assert_array_equal(paste_window(box, grid, region, taper), window[region])  # type: ignore[arg-type]


@few_cases
@given(
    data=st.data(),
    grid=grids(spacing=(1.0, 9.0)),
    order=st.sampled_from(ORDERS),
    flips=st.tuples(*[st.booleans()] * 3),
)
def test_another_order_or_sense_of_the_axes_changes_nothing_in_space(
    data: st.DataObject, grid: Grid, order: tuple, flips: tuple
) -> None:
    def turn(image: sitk.Image) -> sitk.Image:
        return sitk.Flip(sitk.PermuteAxes(image, order), flips)

    image = noise(grid)
    turned = turn(image)
    box = data.draw(boxes(grid, least=8, most=60))
    mask = grid.image_from_array(box.mask(grid).astype(np.uint8))
    on_turned = box.mask(Grid.from_image(turned))
    depth = depth_inside(voxel_centers(turned), box)
    clear = np.abs(depth) > 1e-5
    np.testing.assert_array_equal(on_turned[clear], sitk.GetArrayFromImage(turn(mask))[clear] > 0)
    patch = WorkingPatch.around(box, PATCH)
    np.testing.assert_allclose(patch.sample(turned), patch.sample(image), rtol=0, atol=1e-4)
