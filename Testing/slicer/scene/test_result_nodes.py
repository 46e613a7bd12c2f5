"""The new nodes: their place, display, names and study, and what they do not take over from the input."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
import vtk
from scene_cases import aRoi, aVolume, matrix, segmentVoxels, transformed, turn, voxelCentersWorld, voxels

from TumorGenCore.volumes.write import MASS_TERMINOLOGY
from TumorGenSlicerLib.scene import result_nodes
from TumorGenSlicerLib.scene.result_nodes import allOrNothing, tumorMask, uniqueName


@pytest.fixture
def made(scene, logic, tiny):
    """Input and result under a transform; the input has its own display, units and DICOM identity."""
    volume, roi = aVolume(scene), aRoi(scene)
    transform = transformed(scene, volume, matrix(turn(3, 4, 5), (6, 7, 8)))
    display = volume.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(4.5, 2.0)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
    display.SetThreshold(0.5, 4.0)
    display.SetApplyThreshold(True)
    display.SetInterpolate(False)
    volume.SetVoxelValueQuantity(_code("126400", "DCM", "Standardized Uptake Value"))
    volume.SetVoxelValueUnits(_code("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight"))
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3.4 1.2.3.5")
    volume.SetAttribute("Sequences.BaseName", "frame")
    (variant,) = logic.insertTumors(volume, [roi], seeds=[11], softMask=True, **tiny)
    return SimpleNamespace(volume=volume, roi=roi, transform=transform, variant=variant)


def _code(value, scheme, meaning):
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(value, scheme, meaning)
    return entry


def test_all_nodes_are_where_the_input_is(made):
    for node in made.variant.nodes:
        assert node.GetParentTransformNode() is made.transform
    for node in (made.variant.volumeNode, made.variant.softMaskNode):
        np.testing.assert_array_equal(voxelCentersWorld(node), voxelCentersWorld(made.volume))
    # Moved together, too.
    made.transform.SetMatrixTransformToParent(vtk.vtkMatrix4x4())
    np.testing.assert_array_equal(voxelCentersWorld(made.variant.volumeNode), voxelCentersWorld(made.volume))


def test_the_synthetic_volume_is_shown_as_the_input(made):
    display, original = made.variant.volumeNode.GetDisplayNode(), made.volume.GetDisplayNode()
    assert display is not original
    assert (display.GetWindow(), display.GetLevel()) == (4.5, 2.0)
    assert not display.GetAutoWindowLevel()
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    assert (display.GetLowerThreshold(), display.GetUpperThreshold()) == (0.5, 4.0)
    assert display.GetApplyThreshold()
    assert not display.GetInterpolate()
    assert (original.GetWindow(), original.GetLevel()) == (4.5, 2.0)


def test_automatic_levels_of_the_input_are_kept_as_they_are(scene, logic, tiny):
    volume = aVolume(scene)
    window, level = volume.GetDisplayNode().GetWindow(), volume.GetDisplayNode().GetLevel()
    synthetic, _ = logic.insertTumor(volume, aRoi(scene), **tiny)
    voxels(synthetic)[0, 0, 0] = 1000
    slicer.util.arrayFromVolumeModified(synthetic)
    assert (synthetic.GetDisplayNode().GetWindow(), synthetic.GetDisplayNode().GetLevel()) == (window, level)


def test_an_input_without_a_display_gets_what_pet_is_shown_in(scene, logic, tiny):
    volume = aVolume(scene)
    scene.RemoveNode(volume.GetDisplayNode())
    synthetic, _ = logic.insertTumor(volume, aRoi(scene), **{**tiny, "suvFactor": 0.001})
    display = synthetic.GetDisplayNode()
    assert display.GetColorNode().GetName() == "PET-DICOM"
    assert (display.GetWindow(), display.GetLevel()) == pytest.approx((6000, 3000))


def test_quantity_and_units_are_copies_of_the_inputs(made):
    synthetic = made.variant.volumeNode
    assert synthetic.GetVoxelValueQuantity().GetCodeMeaning() == "Standardized Uptake Value"
    assert synthetic.GetVoxelValueUnits().GetCodeValue() == "{SUVbw}g/ml"
    assert synthetic.GetVoxelValueUnits() is not made.volume.GetVoxelValueUnits()
    assert made.variant.softMaskNode.GetVoxelValueUnits() is None


def test_nothing_that_identifies_the_scan_is_carried_over(made):
    for node in made.variant.nodes:
        assert node.GetAttribute("DICOM.instanceUIDs") is None
        names = node.GetAttributeNames()
        assert all(name.startswith("TumorGen.") or "Segment" in name for name in names), names
        assert not any("1.2.3.4" in (node.GetAttribute(name) or "") for name in names)


def test_every_node_says_how_it_was_made(made):
    provenance = made.variant.provenance
    assert provenance["tumors"][0]["seed"] == 11
    assert provenance["request"]["steps"] == 1
    assert provenance["bundle_name"] == "tiny"
    for node in made.variant.nodes:
        read = {key: node.GetAttribute(f"TumorGen.{key}") for key in provenance}
        assert read["statement"] == "Synthetic, not for diagnosis"
        assert all(
            text == value if isinstance(value, str) else json.loads(text) == value
            for text, value in zip(read.values(), provenance.values(), strict=True)
        )


def test_names_are_the_inputs_own_and_unique(scene, made, logic, tiny):
    names = [node.GetName() for node in made.variant.nodes]
    assert names == [
        "PET + tumor (seed 11)",
        "PET + tumor (seed 11) mask",
        "PET + tumor (seed 11) soft mask",
    ]
    (again,) = logic.insertTumors(made.volume, [made.roi], seeds=[11], softMask=True, **tiny)
    assert again.volumeNode.GetName() == "PET + tumor (seed 11) 2"
    assert len({node.GetName() for node in [*made.variant.nodes, *again.nodes]}) == 6
    assert uniqueName(scene, "PET") == "PET 2"
    assert uniqueName(scene, "free") == "free"


def test_the_segment_is_a_mass_on_the_grid_of_the_synthetic_volume(made):
    node, synthetic = made.variant.segmentationNode, made.variant.volumeNode
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    assert reference is synthetic
    segment = node.GetSegmentation().GetNthSegment(0)
    assert segment.GetName() == "Tumor"
    assert segment.GetColor() == pytest.approx((0.565, 0.933, 0.565), abs=1e-3)
    entry = slicer.vtkSlicerTerminologyEntry()
    slicer.modules.terminologies.logic().DeserializeTerminologyEntry(
        _tag(segment, slicer.vtkSegment.GetTerminologyEntryTagName()), entry
    )
    assert entry.GetCategoryObject().GetCodeValue() == "49755003"
    assert entry.GetTypeObject().GetCodeValue() == "4147007"
    assert _tag(segment, "TerminologyEntry") == MASS_TERMINOLOGY
    mask = segmentVoxels(node, synthetic)
    assert mask.shape == voxels(synthetic).shape
    np.testing.assert_array_equal(tumorMask(made.variant) > 0, mask)
    np.testing.assert_array_equal(mask & (voxels(made.variant.softMaskNode) <= 0.5), False)


def _tag(segment, name):
    value = vtk.reference("")
    assert segment.GetTag(name, value)
    return str(value)


def test_the_surface_is_smooth_and_lies_on_the_mask(made):
    node = made.variant.segmentationNode
    segmentation = node.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert segmentation.ContainsRepresentation(name)
    assert float(segmentation.GetConversionParameter("Smoothing factor")) == 0.5
    surface = vtk.vtkPolyData()
    node.GetClosedSurfaceRepresentation(segmentation.GetNthSegmentID(0), surface)
    assert surface.GetNumberOfPoints() > 20
    points = voxelCentersWorld(made.variant.volumeNode)[segmentVoxels(node, made.variant.volumeNode)]
    toWorld = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(made.transform, None, toWorld)
    corners = np.array([toWorld.TransformPoint(surface.GetPoint(n)) for n in range(surface.GetNumberOfPoints())])
    assert np.all(corners.min(axis=0) > points.min(axis=0) - 5)
    assert np.all(corners.max(axis=0) < points.max(axis=0) + 5)


def test_an_empty_mask_still_makes_a_segment(scene, logic, tiny, monkeypatch):
    newSegment = result_nodes.newSegment
    monkeypatch.setattr(
        result_nodes,
        "newSegment",
        lambda source, result, name: newSegment(source, type(result)(result.mask * 0, result.start_ijk), name),
    )
    (variant,) = logic.insertTumors(aVolume(scene), [aRoi(scene)], **tiny)
    assert variant.segmentationNode.GetSegmentation().GetNumberOfSegments() == 1
    assert not tumorMask(variant).any()


def test_the_mask_survives_slicers_own_file_format(scene, made, tmp_path):
    path = str(tmp_path / "mask.seg.nrrd")
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(path)
    assert storage.WriteData(made.variant.segmentationNode)
    read = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "read")
    assert storage.ReadData(read)
    expected = segmentVoxels(made.variant.segmentationNode, made.variant.volumeNode)
    read.SetAndObserveTransformNodeID(made.transform.GetID())
    np.testing.assert_array_equal(segmentVoxels(read, made.variant.volumeNode), expected)
    assert "4147007" in _tag(read.GetSegmentation().GetNthSegment(0), "TerminologyEntry")


def test_a_synthetic_volume_knows_its_units_when_it_is_the_input(scene, logic, tiny):
    volume, roi = aVolume(scene), aRoi(scene)
    synthetic, _ = logic.insertTumor(volume, roi, **{**tiny, "suvFactor": 0.5})
    (variant,) = logic.insertTumors(synthetic, [roi], **{**tiny, "suvFactor": None})
    assert variant.provenance["suv_factor"] == 0.5
    assert variant.provenance["suv_factor_source"] == "given"


# Subject hierarchy


def test_results_lie_in_the_study_of_the_input(scene, logic, tiny, hierarchy):
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "patient")
    study = hierarchy.CreateStudyItem(patient, "study")
    volume, roi = aVolume(scene), aRoi(scene)
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), study)
    (variant,) = logic.insertTumors(volume, [roi], softMask=True, **tiny)
    for node in variant.nodes:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    # Taken back with their items when a later node fails.
    count = hierarchy.GetNumberOfItems()
    with pytest.raises(MemoryError), allOrNothing(scene):
        scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "half made")
        raise MemoryError
    assert hierarchy.GetNumberOfItems() == count


# A sequence's current volume


def test_a_sequences_current_volume_is_a_volume_and_the_result_is_not_the_browsers(scene, logic, tiny):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "PET frames")
    for frame in range(3):
        volume = aVolume(scene, name=f"frame {frame}")
        voxels(volume)[:] += frame
        sequence.SetDataNodeAtValue(volume, str(frame))
        scene.RemoveNode(volume.GetDisplayNode())
        scene.RemoveNode(volume)
    browser = scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateAllProxyNodes()
    browser.SetSelectedItemNumber(1)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    second = voxels(proxy).copy()
    assert second.min() >= 1
    synthetic, segmentation = logic.insertTumor(proxy, aRoi(scene), **tiny)
    assert not browser.IsProxyNode(synthetic.GetID())
    assert not browser.IsProxyNode(segmentation.GetID())
    after = voxels(synthetic).copy()
    assert (after == second).mean() > 0.5
    browser.SetSelectedItemNumber(2)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    np.testing.assert_array_equal(voxels(synthetic), after)
    assert not np.array_equal(voxels(proxy), second)
