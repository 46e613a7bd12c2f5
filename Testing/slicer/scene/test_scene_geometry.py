"""Positions of volumes and boxes, compared with planes and transforms from VTK and from the nodes themselves."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer", reason="needs slicer-core")


from scene_cases import (
    addRoi,
    addVolume,
    aRoi,
    aVolume,
    bent,
    bits,
    depthInRoi,
    matrix,
    noise,
    segmentVoxels,
    transformed,
    turn,
    voxelCentersWorld,
    voxels,
)

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenSlicerLib.scene.geometry import (
    addBoxNode,
    addVolumeNode,
    roiBox,
    volumeAxesRas,
    volumeGrid,
    volumeImage,
)

TO_LPS = np.array([-1.0, -1.0, 1.0])
CASES = ["axis-aligned", "rotated", "roi transformed", "volume transformed", "both transformed"]


def place(scene, case):
    """A volume and a box that overlap, in one of the five cases."""
    if case == "axis-aligned":
        volume = addVolume(
            scene, noise(np.random.default_rng(1), (16, 15, 12)), matrix(np.diag([4, 4, 5.0]), (-30, -30, -30))
        )
        return volume, addRoi(scene, (3, 2, -1), (31, 27, 33))
    volume, roi = aVolume(scene), aRoi(scene)
    about = np.array([30.0, -20.0, 10.0])
    small, large = turn(12, -20, 8), turn(-30, 15, 40)
    if case in ("roi transformed", "both transformed"):
        transformed(scene, roi, matrix(small, about - small @ about + [3, -4, 2]))
    if case in ("volume transformed", "both transformed"):
        transformed(scene, volume, matrix(large, about - large @ about + [-5, 1, 6]))
    return volume, roi


@pytest.mark.parametrize("case", CASES)
def test_grid_and_box_agree_with_the_nodes_own_transforms_and_planes(scene, case):
    volume, roi = place(scene, case)
    points = voxelCentersWorld(volume)
    grid, box = volumeGrid(volume), roiBox(roi)
    i, j, k = grid.size_ijk
    z, y, x = np.indices((k, j, i))
    np.testing.assert_allclose(grid.index_to_lps(np.stack([x, y, z], axis=-1)) * TO_LPS, points, atol=1e-9)
    depth = depthInRoi(roi, points)
    clear = np.abs(depth) > 1e-5
    inside = box.contains(points * TO_LPS)
    assert 50 < inside.sum() < inside.size / 2
    np.testing.assert_array_equal(inside[clear], (depth > 0)[clear])


def test_the_planes_of_the_oracle_are_those_of_the_roi(scene):
    _, roi = place(scene, "both transformed")
    points = np.random.default_rng(2).uniform(-40, 40, (300, 3)) + np.array(roi.GetCenterWorld())
    answers = np.array([roi.IsPointInROIWorld(point) for point in points], dtype=bool)
    assert 10 < answers.sum() < 290
    np.testing.assert_array_equal(depthInRoi(roi, points) > 0, answers)


def test_an_image_is_a_copy_in_the_nodes_pixel_type(scene):
    volume = aVolume(scene, np.int16)
    image = volumeImage(volume)
    assert image.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), voxels(volume))
    before = sitk.GetArrayFromImage(image)
    voxels(volume)[:] = 7
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), before)


@pytest.mark.parametrize(
    "linear",
    [np.diag([2.0, 0.5, 1.5]), np.diag([-1.0, 1, 1]), np.array([[1, 0.3, 0], [0, 1, 0.1], [0, 0, 1]])],
    ids=["scaled", "mirrored", "sheared"],
)
def test_a_volume_may_be_scaled_mirrored_and_sheared(scene, linear):
    volume = aVolume(scene)
    transformed(scene, volume, matrix(linear, (1, 2, 3)))
    points = voxelCentersWorld(volume)
    grid = Grid.from_image(volumeImage(volume))
    np.testing.assert_allclose(grid.index_to_lps((15, 17, 13)) * TO_LPS, points[-1, -1, -1], atol=1e-9)
    np.testing.assert_allclose(grid.index_to_lps((3, 0, 9)) * TO_LPS, points[9, 0, 3], atol=1e-9)


@pytest.mark.parametrize("linear", [np.diag([2.0, 2, 2]), np.diag([3.0, 1, 0.5])], ids=["uniform", "along its axes"])
def test_scale_of_a_boxs_transform_is_folded_into_its_size(scene, linear):
    roi = addRoi(scene, (10, 20, 30), (20, 30, 40))
    transformed(scene, roi, matrix(linear, (5, 6, 7)))
    box, size = roiBox(roi), [0.0, 0.0, 0.0]
    roi.GetSizeWorld(size)
    np.testing.assert_allclose(box.size_mm, size)
    np.testing.assert_allclose(box.size_mm, np.diag(linear) * (20, 30, 40))
    np.testing.assert_allclose(np.array(box.center_lps) * TO_LPS, roi.GetCenterWorld())


def test_a_mirrored_box_is_where_its_planes_are(scene):
    roi = aRoi(scene)
    transformed(scene, roi, matrix(np.diag([-1.0, 1, 1])))
    points = np.random.default_rng(3).uniform(-40, 40, (500, 3)) + np.array(roi.GetCenterWorld())
    np.testing.assert_array_equal(roiBox(roi).contains(points * TO_LPS), depthInRoi(roi, points) > 0)


def test_what_bends_a_volume_or_a_box_is_refused(scene):
    volume, roi = aVolume(scene), aRoi(scene)
    bent(scene, volume)
    with pytest.raises(UnsupportedVolumeError, match="non-linear"):
        volumeGrid(volume)
    bent(scene, roi)
    with pytest.raises(InvalidBoxError, match="non-linear"):
        roiBox(roi)


def test_a_linear_transform_under_a_bent_one_is_refused(scene):
    volume = aVolume(scene)
    inner = transformed(scene, volume, matrix(turn(0, 0, 5)))
    bent(scene, inner)
    with pytest.raises(UnsupportedVolumeError, match="non-linear"):
        volumeGrid(volume)


def test_a_sheared_box_is_refused(scene):
    roi = aRoi(scene)  # rotated, so that scale along the world's axes shears it
    transformed(scene, roi, matrix(np.diag([1.0, 1.5, 1])))
    with pytest.raises(InvalidBoxError, match="shear"):
        roiBox(roi)


def test_boxes_that_are_none_are_refused(scene):
    roi = aRoi(scene)
    roi.SetInsideOut(True)
    with pytest.raises(InvalidBoxError, match="inside out"):
        roiBox(roi)
    with pytest.raises(InvalidBoxError, match="no size"):
        roiBox(scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "not placed"))
    with pytest.raises(InvalidBoxError, match="not an ROI"):
        roiBox(scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points"))
    flat = aRoi(scene)
    transformed(scene, flat, matrix(np.diag([1.0, 1, 0])))
    with pytest.raises(InvalidBoxError):
        roiBox(flat)


def test_volumes_that_are_none_are_refused(scene):
    rng = np.random.default_rng(4)
    labels = addVolume(scene, noise(rng, (4, 4, 4), np.uint8), np.eye(4), "L", "vtkMRMLLabelMapVolumeNode")
    with pytest.raises(UnsupportedVolumeError, match="label map"):
        volumeGrid(labels)
    colors = addVolume(scene, rng.random((4, 4, 4, 3)), np.eye(4), "V", "vtkMRMLVectorVolumeNode")
    with pytest.raises(UnsupportedVolumeError, match="3 values per voxel"):
        volumeGrid(colors)
    with pytest.raises(UnsupportedVolumeError, match="no voxels"):
        volumeGrid(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"))
    with pytest.raises(UnsupportedVolumeError, match="not a scalar volume"):
        volumeGrid(aRoi(scene))
    flat = aVolume(scene)
    transformed(scene, flat, matrix(np.diag([1.0, 0, 1])))
    with pytest.raises(UnsupportedVolumeError, match="singular"):
        volumeGrid(flat)


def test_a_box_node_is_where_it_was_asked_for(scene):
    axes = turn(20, -10, 5)
    roi = addBoxNode(scene, "B", (1, 2, 3), (20, 30, 40), axes)
    assert roi.GetName() == "B"
    np.testing.assert_allclose(roi.GetCenterWorld(), (1, 2, 3))
    for edge, axis in zip((20, 30, 40), axes.T, strict=True):
        assert roi.IsPointInROIWorld(np.array((1, 2, 3)) + axis * (edge / 2 - 0.01))
        assert not roi.IsPointInROIWorld(np.array((1, 2, 3)) + axis * (edge / 2 + 0.01))


def test_a_volume_node_has_the_geometry_of_its_image(scene):
    rng = np.random.default_rng(5)
    image = sitk.GetImageFromArray(noise(rng, (5, 6, 7), np.uint16))
    image.SetSpacing((1.5, 2.5, 3.5))
    image.SetOrigin((10, -20, 30))
    image.SetDirection((turn(5, 10, 15) @ np.diag([1.0, -1, 1])).ravel().tolist())
    volume = addVolumeNode(scene, "N", image)
    assert voxels(volume).dtype == np.uint16
    np.testing.assert_array_equal(voxels(volume), sitk.GetArrayViewFromImage(image))
    for ijk in ((0, 0, 0), (4, 0, 2), (1, 5, 6)):
        expected = np.array(image.TransformIndexToPhysicalPoint(ijk)) * TO_LPS
        np.testing.assert_allclose(voxelCentersWorld(volume)[ijk[::-1]], expected, atol=1e-9)


def test_a_volumes_axes_are_orthonormal_and_follow_its_transform(scene):
    volume = aVolume(scene)
    np.testing.assert_allclose(np.abs(turn(10, -5, 20).T @ volumeAxesRas(volume)), np.eye(3), atol=1e-9)
    transformed(scene, volume, matrix(np.array([[1, 0.2, 0], [0, 1, 0], [0, 0, 2.0]])))
    axes = volumeAxesRas(volume)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)


def test_in_100_random_scenes_only_the_box_changes(scene, logic, tiny):
    cutOff = changed = marked = 0
    for case in range(100):
        rng = np.random.default_rng([case, 100])
        scene.Clear(0)
        volume = addVolume(
            scene,
            noise(rng, tuple(rng.integers(6, 16, 3)), rng.choice([np.float32, np.int16, np.float64])),
            matrix(_randomAxes(rng) * rng.uniform(2, 6, 3), rng.uniform(-200, 200, 3)),
        )
        if rng.random() < 0.5:
            scale = rng.uniform(0.8, 1.25, 3) if rng.random() < 0.5 else 1
            transformed(scene, volume, matrix(_randomAxes(rng) * scale, rng.uniform(-50, 50, 3)))
        points = voxelCentersWorld(volume)
        # Around a random voxel: near the edges the box reaches past the volume.
        near = points[tuple(rng.integers(0, points.shape[:3]))] + rng.uniform(-1, 1, 3)
        roi = addRoi(scene, near, rng.uniform(11, 50, 3), _randomAxes(rng))
        if rng.random() < 0.5:
            rotation = _randomAxes(rng)
            transformed(scene, roi, matrix(rotation, near - rotation @ near))
        before = voxels(volume).copy()
        synthetic, segmentation = logic.insertTumor(volume, roi, seed=case, **tiny)
        outside = depthInRoi(roi, points) < -1e-9
        after, mask = voxels(synthetic), segmentVoxels(segmentation, synthetic)
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(bits(after)[outside], bits(before)[outside], err_msg=f"case {case}")
        assert not mask[outside].any(), f"case {case}"
        np.testing.assert_array_equal(bits(voxels(volume)), bits(before))
        np.testing.assert_allclose(voxelCentersWorld(synthetic), points, atol=1e-9)
        cutOff += "The box reaches past the volume; TumorGen cuts off the part outside." in logic.results[-1].warnings
        changed += bool((after != before).any())
        marked += bool(mask.any())
    # The cases must be what they claim: boxes cut off, voxels changed, tumors marked.
    assert cutOff > 30
    assert changed > 80
    assert marked > 30


def _randomAxes(rng):
    """A random rotation; half of them mirror."""
    return turn(*rng.uniform(-180, 180, 3)) * np.array([1, 1, rng.choice([-1, 1])])
