"""Reference regions of a scene on the voxels of a PET, compared with Slicer's own export of segments."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from scene_cases import addVolume, aVolume, bent, matrix, segmentVoxels, transformed, turn, voxels

from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenSlicerLib.run.logic import InsertionLogic
from TumorGenSlicerLib.scene.regions import regionVoxels


@pytest.fixture
def organs(scene):
    """A label map of its own grid around that of ``aVolume``, with two organs, and a segmentation of it."""
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[8:20, 10:20, 6:14], labels[10:22, 8:22, 16:24] = 1, 2
    node = addVolume(scene, labels, matrix(np.eye(3) * 3.0, (-15, -65, -35)), "Organs", "vtkMRMLLabelMapVolumeNode")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(node, segmentation)
    for n, name in enumerate(("liver", "spleen")):
        segmentation.GetSegmentation().GetNthSegment(n).SetName(name)
    return node, segmentation


def test_a_segment_lies_where_slicer_exports_it(scene, organs):
    pet, (_, segmentation) = aVolume(scene), organs
    for n, name in enumerate(("liver", "spleen")):
        found = regionVoxels(segmentation, pet, name)
        assert found.sum() > 50
        np.testing.assert_array_equal(found, segmentVoxels(segmentation, pet, n))
    whole = regionVoxels(segmentation, pet)
    np.testing.assert_array_equal(whole, regionVoxels(segmentation, pet, "liver") | found)


def test_a_label_map_is_as_its_segmentation_also_under_transforms(scene, organs):
    pet, (labels, segmentation) = aVolume(scene), organs
    before = regionVoxels(labels, pet, "1")
    np.testing.assert_array_equal(before, regionVoxels(segmentation, pet, "liver"))
    for node in (labels, segmentation):
        transformed(scene, node, matrix(turn(0, 0, 8), (4, 0, 0)))
    moved = regionVoxels(labels, pet, "1")
    np.testing.assert_array_equal(moved, regionVoxels(segmentation, pet, "liver"))
    assert moved.sum() > 50 and not np.array_equal(moved, before)


def test_the_reference_suv_is_the_mean_in_the_segment(scene, organs):
    pet, (_, segmentation) = aVolume(scene), organs
    expected = 0.5 * voxels(pet)[segmentVoxels(segmentation, pet)].mean()
    assert InsertionLogic(scene).referenceSuv(pet, segmentation, "liver", suvFactor=0.5) == pytest.approx(expected)


def test_what_is_no_region_is_named(scene, organs):
    pet, (labels, segmentation) = aVolume(scene), organs
    with pytest.raises(InvalidRequestError, match="no segment 'heart'; there are liver, spleen"):
        regionVoxels(segmentation, pet, "heart")
    with pytest.raises(InvalidRequestError, match="is no number"):
        regionVoxels(labels, pet, "liver")
    with pytest.raises(UnsupportedVolumeError, match="no segmentation and no label map"):
        regionVoxels(pet, pet)
    with pytest.raises(InvalidRequestError, match="no voxel on the scan"):
        InsertionLogic(scene).referenceSuv(pet, labels, "7", suvFactor=1.0)
    bent(scene, segmentation)
    with pytest.raises(UnsupportedVolumeError, match="non-linear transform"):
        regionVoxels(segmentation, pet)
