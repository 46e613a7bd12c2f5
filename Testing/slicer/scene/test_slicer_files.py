"""Files that 3D Slicer itself writes are read without a refusal or a warning, as the nodes of the scene say."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

slicer = pytest.importorskip("slicer", reason="needs slicer-core")

import SimpleITK as sitk  # noqa: E402
import vtk  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scene_cases import (  # noqa: E402
    addVolume,
    aRoi,
    aVolume,
    bits,
    depthInRoi,
    matrix,
    noise,
    segmentVoxels,
    turn,
    voxelCentersWorld,
    voxels,
)

from TumorGenCore.volumes.geometry import Grid, ras_to_lps  # noqa: E402
from TumorGenCore.volumes.markups import read_box  # noqa: E402
from TumorGenCore.volumes.read import read_mask, read_volume  # noqa: E402

VOLUME_SUFFIXES = ("nrrd", "nhdr", "nii", "nii.gz", "mha", "mhd")
DTYPES = ("u1", "u2", "i2", "u4", "i4", "f4", "f8")  # Slicer writes no others


@pytest.fixture(autouse=True)
def noWarnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def save(node: Any, path: Path, compressed: bool = True, **settings: Any) -> Path:
    """Saves a node with the storage node that Slicer gives it."""
    node.AddDefaultStorageNode()
    storage = node.GetStorageNode()
    storage.SetFileName(str(path))
    storage.SetUseCompression(compressed)
    for name, value in settings.items():
        getattr(storage, name)(value)
    assert storage.WriteData(node)
    return path


def checkVolume(path: Path, node: Any, tolerance: float = 1e-6) -> None:
    """Reads a file, and compares voxels and their places with those of the node."""
    image = read_volume(path, suv_factor=1.0).image
    np.testing.assert_array_equal(bits(sitk.GetArrayFromImage(image)), bits(voxels(node)))
    index = np.indices(image.GetSize()[::-1])[::-1].transpose(1, 2, 3, 0)
    centers = ras_to_lps(Grid.from_image(image).index_to_lps(index))
    np.testing.assert_allclose(centers, voxelCentersWorld(node), rtol=0, atol=tolerance)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", VOLUME_SUFFIXES)
def test_volumes_in_every_format_and_type(scene, tmp_path, suffix, compressed):
    for dtype in DTYPES:
        left_handed = dtype in ("i2", "f4")
        axes = turn(10, -5, 20) @ np.diag([-4.0, -4.5, 5.0 if left_handed else -5.0])
        values = noise(np.random.default_rng(0), (7, 6, 5), "f4").astype(dtype)
        node = addVolume(scene, values, matrix(axes, (30.25, -20.5, 1010.75)), f"PET {dtype}")
        path = save(node, tmp_path / f"{dtype}.{suffix}", compressed)
        checkVolume(path, node, 1e-3 if suffix.startswith("nii") else 1e-6)


def test_volume_with_a_name_attributes_and_a_label_map(scene, tmp_path):
    node = aVolume(scene, np.float64, "PET: \u00c4 \u4e2d")
    node.SetAttribute("DICOM.instanceUIDs", "1.2.3 " * 500)
    node.SetVoxelValueUnits(slicer.vtkCodedEntry())
    checkVolume(save(node, tmp_path / "\u00c4 \u4e2d.nrrd"), node)
    labels = addVolume(scene, (voxels(node) > 2.5).astype(np.uint8), np.eye(4), "L", "vtkMRMLLabelMapVolumeNode")
    labels.CopyOrientation(node)
    path = save(labels, tmp_path / "labels.nrrd")
    checkVolume(path, labels)
    grid = Grid.from_image(read_volume(tmp_path / "\u00c4 \u4e2d.nrrd", 1.0).image)
    np.testing.assert_array_equal(read_mask(path, grid), voxels(node) > 2.5)


def segmentation(scene: Any, volume: Any, *segments: NDArray[np.bool_]) -> Any:
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for n, segment in enumerate(segments):
        name = node.GetSegmentation().AddEmptySegment(f"s{n}", f"Segment {n}")
        slicer.util.updateSegmentBinaryLabelmapFromArray(segment.astype(np.uint8), node, name, volume)
    return node


def blocks(volume: Any) -> tuple[NDArray[np.bool_], ...]:
    """Three blocks: the second lies apart from the first, the third overlaps both."""
    made = []
    for k, j, i in ((slice(3, 7), slice(4, 9), slice(5, 8)), (slice(8, 11), slice(2, 5), slice(10, 14))):
        made.append(np.zeros(voxels(volume).shape, dtype=bool))
        made[-1][k, j, i] = True
    made.append(np.zeros(voxels(volume).shape, dtype=bool))
    made[-1][5:10, 3:12, 6:12] = True
    return tuple(made)


@pytest.mark.parametrize("suffix", ["seg.nrrd", "seg.nhdr", "nrrd", "nhdr"])
@pytest.mark.parametrize("which", [(0,), (0, 1), (0, 1, 2), (2,)], ids=["one", "apart", "overlapping", "other"])
def test_segmentations_are_masks_of_all_their_segments(scene, tmp_path, suffix, which):
    volume = aVolume(scene)
    grid = Grid.from_image(read_volume(save(volume, tmp_path / "image.nrrd"), 1.0).image)
    segments = [blocks(volume)[n] for n in which]
    node = segmentation(scene, volume, *segments)
    right = np.any([segmentVoxels(node, volume, n) for n in range(len(segments))], axis=0)
    np.testing.assert_array_equal(right, np.any(segments, axis=0))
    for compressed, cropped in ((True, False), (False, False), (True, True), (False, True)):
        path = save(node, tmp_path / f"s{compressed}{cropped}.{suffix}", compressed, SetCropToMinimumExtent=cropped)
        np.testing.assert_array_equal(read_mask(path, grid), right)


def test_a_segmentation_on_a_finer_grid_marks_the_same_place(scene, tmp_path):
    volume = aVolume(scene)
    grid = Grid.from_image(read_volume(save(volume, tmp_path / "image.nrrd"), 1.0).image)
    fine = addVolume(scene, np.zeros((14 * 3, 18 * 3, 16 * 3), np.float32), np.eye(4), "fine")
    coarse = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(coarse)
    toRas = slicer.util.arrayFromVTKMatrix(coarse) @ matrix(np.eye(3) / 3, np.full(3, -1 / 3))
    fine.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(toRas))
    block = blocks(volume)[0]
    node = segmentation(scene, fine, block.repeat(3, 0).repeat(3, 1).repeat(3, 2))
    np.testing.assert_array_equal(read_mask(save(node, tmp_path / "s.seg.nrrd"), grid), block)


@pytest.mark.parametrize("suffix", ["mrk.json", "json"])
@pytest.mark.parametrize("system", ["LPS", "RAS"])
@pytest.mark.parametrize("kind", ["Box", "BoundingBox"])
def test_roi_files_hold_the_box_of_the_node(scene, tmp_path, suffix, system, kind):
    if kind == "Box":
        node = aRoi(scene, size=(34.5, 21.25, 47.0), shift=(3.5, -60.25, 200.125), name="Tumor \u00c4")
    else:  # it encloses its points
        node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Tumor \u00c4")
        node.SetROIType(node.ROITypeBoundingBox)
        for point in ((-4.5, 10.0, 300.0), (30.0, 31.25, 310.0), (0.0, 20.0, 347.0)):
            node.AddControlPoint(point)
    node.SetLocked(True)
    node.AddDefaultStorageNode()
    number = node.GetStorageNode().GetCoordinateSystemFromString(system)
    box = read_box(save(node, tmp_path / f"roi.{suffix}", SetCoordinateSystem=number))
    center = np.zeros(3)
    node.GetCenter(center)
    points = center + np.random.default_rng(0).uniform(-30, 30, (3000, 3))
    depth = depthInRoi(node, points)
    clear = np.abs(depth) > 1e-4
    assert 300 < np.count_nonzero(depth > 0) < 2700
    np.testing.assert_array_equal(box.contains(ras_to_lps(points))[clear], depth[clear] > 0)
    assert sorted(box.size_mm) == pytest.approx([21.25, 34.5, 47.0])
