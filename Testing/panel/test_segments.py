"""Segments in the panel: a reference region for the uptake, and boxes placed in an organ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_panel import node_ids, run, wait_until

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")

SIZE = 44
IJK_TO_RAS = np.array([[-4.0, 0, 0, 86], [0, -4.0, 0, 86], [0, 0, 4.0, -86], [0, 0, 0, 1]])


def add_segment(node: Any, name: str, start_ijk: tuple[int, int, int], size_kji: tuple[int, int, int]) -> str:
    """Adds a block of voxels as a segment; returns its ID."""
    from TumorGenCore.insertion.segment import Segment
    from TumorGenSlicerLib.scene.result_nodes import newSegment

    segment = newSegment(IJK_TO_RAS, Segment(np.ones(size_kji, np.uint8), start_ijk), name)
    node.GetSegmentation().AddSegment(segment)
    return str(node.GetSegmentation().GetSegmentIdBySegment(segment))


@pytest.fixture
def organs(app: Any, scene: Any, ready: Any) -> Any:
    """The panel with a body of 176 mm, and a segmentation with a liver, a small spleen and an aorta of SUV 0."""
    import slicer

    values = np.random.default_rng(0).gamma(4.0, 0.25, (SIZE,) * 3).astype(np.float32)
    values[:4] = 0
    body = slicer.util.addVolumeFromArray(values, IJK_TO_RAS, "Body")
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    node.CreateDefaultDisplayNodes()
    add_segment(node, "liver", (6, 4, 6), (32, 34, 34))
    ready.spleen = add_segment(node, "spleen", (20, 20, 20), (2, 2, 2))
    ready.aorta = add_segment(node, "aorta", (20, 20, 0), (2, 2, 2))
    ready.parameters.inputVolume = body
    ready.body, ready.organs, ready.values = body, node, values
    return ready


def choose(comboBox: Any, name: str) -> None:
    """Chooses a segment as the user does."""
    comboBox.setCurrentIndex(comboBox.findText(name))


def ask_for_reference(ready: Any, name: str = "liver") -> None:
    from TumorGenSlicerLib.panel.parameters import Uptake

    ready.ui.uptakeComboBox.currentIndex = list(Uptake).index(Uptake.REFERENCE)
    choose(ready.ui.referenceSegmentComboBox, name)


# The reference region


def test_the_reference_is_shown_only_for_its_kind_of_uptake_and_reaches_the_tumor(app: Any, organs: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Uptake

    ui = organs.ui
    assert ui.referenceRow.isHidden() and ui.referenceLabel.isHidden() and ui.referenceSuvLabel.isHidden()
    ui.uptakeComboBox.currentIndex = list(Uptake).index(Uptake.REFERENCE)
    assert not ui.referenceRow.isHidden() and not ui.uptakeRatioSpinBox.isHidden()
    assert ui.referenceSegmentationSelector.currentNode() is organs.organs  # the only one there is
    assert ui.statusLabel.text == "Choose a segmentation and a segment as the reference region."
    assert not ui.applyButton.enabled
    choose(ui.referenceSegmentComboBox, "liver")
    ui.uptakeRatioSpinBox.value = 3.0
    mean = float(organs.values[6:38, 4:38, 6:40].mean())
    assert ui.referenceSuvLabel.text == f"Mean SUV {mean:.2f}, so the tumor gets {3 * mean:.2f}."
    assert ui.applyButton.enabled
    run(app, organs)
    (variant,) = organs.logic.results
    request = variant.provenance["request"]
    assert (request["to_reference"], request["reference"]) == (3.0, "liver")
    assert request["reference_suv"] == pytest.approx(mean, rel=1e-6)
    organs.parameters.uptakeRatio = 5.0
    ui.reproduceButton.click()  # the same region gives the same ratio
    assert (organs.parameters.uptake, organs.parameters.uptakeRatio) == (Uptake.REFERENCE, 3.0)
    assert "Apply makes it again." in ui.statusLabel.text


def test_the_choice_lives_in_the_scene(organs: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Parameters

    ask_for_reference(organs, "spleen")
    organs.ui.placeSegmentationSelector.setCurrentNode(organs.organs)
    choose(organs.ui.placeSegmentComboBox, "liver")
    organs.ui.placeCountSpinBox.value = 0
    fresh = Parameters(organs.parameters.parameterNode)
    assert (fresh.referenceSegmentation, fresh.referenceSegment) == (organs.organs, organs.spleen)
    assert fresh.placeSegmentation is organs.organs
    assert fresh.placeSegment == organs.organs.GetSegmentation().GetNthSegmentID(0)
    assert fresh.placeCount == 0
    organs.panel.exit()
    organs.panel.enter()
    assert organs.ui.referenceSegmentComboBox.currentText == "spleen"
    assert organs.ui.placeCountSpinBox.text == "Drawn"


def test_a_region_that_gives_no_ratio_is_said_and_keeps_apply_from_being_pressed(app: Any, organs: Any) -> None:
    import slicer

    ask_for_reference(organs, "aorta")
    assert "The mean SUV of the reference region is 0" in organs.ui.statusLabel.text
    assert not organs.ui.applyButton.enabled and organs.ui.referenceSuvLabel.isHidden()
    choose(organs.ui.referenceSegmentComboBox, "liver")
    assert organs.ui.applyButton.enabled
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    far = np.eye(4)
    far[0, 3] = 1000.0
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(far))
    organs.organs.SetAndObserveTransformNodeID(transform.GetID())
    wait_until(app, lambda: not organs.ui.applyButton.enabled)
    assert "The reference region has no voxel on the scan" in organs.ui.statusLabel.text
    slicer.mrmlScene.RemoveNode(organs.organs)
    app.processEvents()
    assert organs.ui.statusLabel.text == "Choose a segmentation and a segment as the reference region."


def test_a_region_is_measured_again_only_after_a_change_of_volume_or_segment(
    app: Any, organs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    measured, measure = [], organs.logic.referenceSuv
    monkeypatch.setattr(organs.logic, "referenceSuv", lambda *rest: measured.append(measure(*rest)) or measured[-1])
    ask_for_reference(organs)
    assert len(measured) == 1
    for n in range(5):
        organs.parameters.box.SetCenter(n, 0, 0)
        organs.ui.seedSpinBox.value = n
    wait_until(app, lambda: not organs.panel._inputWatch._timer.active)
    assert len(measured) == 1
    slicer.util.arrayFromVolume(organs.body)[:] *= 2
    slicer.util.arrayFromVolumeModified(organs.body)
    wait_until(app, lambda: len(measured) == 2)
    assert measured[1] == pytest.approx(2 * measured[0])
    organs.ui.suvFactorSpinBox.value = 3.0
    assert measured[2] == pytest.approx(3 * measured[1])


def test_a_renamed_and_a_new_segment_appear_and_the_choice_stays(app: Any, organs: Any) -> None:
    ask_for_reference(organs, "spleen")
    segmentation = organs.organs.GetSegmentation()
    segmentation.GetSegment(organs.spleen).SetName("milz")
    add_segment(organs.organs, "heart", (10, 10, 10), (3, 3, 3))
    box = organs.ui.referenceSegmentComboBox
    wait_until(app, lambda: box.findText("heart") > 0)
    assert box.currentText == "milz"
    assert organs.parameters.referenceSegment == organs.spleen


# Boxes in a segment


def place(ready: Any, count: int = 3, segment: str = "liver") -> list[Any]:
    """Places boxes as the user does, and returns them."""
    from TumorGenSlicerLib.scene.placings import placedTogether

    ready.ui.inSegmentButton.checked = True
    choose(ready.ui.placeSegmentComboBox, segment)
    ready.ui.placeCountSpinBox.value = count
    ready.ui.placeInSegmentButton.click()
    return placedTogether(ready.parameters.box)


def visible(boxes: list[Any]) -> list[bool]:
    return [bool(box.GetDisplayVisibility()) for box in boxes]


def test_the_controls_are_hidden_until_they_are_wanted(organs: Any) -> None:
    assert organs.ui.placeSegmentRow.isHidden() and organs.ui.placeButtonsRow.isHidden()
    organs.ui.inSegmentButton.checked = True
    assert not organs.ui.placeSegmentRow.isHidden() and not organs.ui.placeButtonsRow.isHidden()
    assert organs.parameters.placeSegmentation is organs.organs


def test_boxes_are_placed_moved_and_each_gets_a_tumor(app: Any, scene: Any, organs: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Size
    from TumorGenSlicerLib.scene.geometry import roiBox

    alone = organs.parameters.box
    organs.parameters.size, organs.parameters.diameterMm = Size.DIAMETER, 13.0
    boxes = place(organs, 3)
    assert [box.GetName() for box in boxes] == ["Tumor in liver", "Tumor in liver 2", "Tumor in liver 3"]
    assert visible([*boxes, alone]) == [True, True, True, False]
    assert all(box.GetDisplayNode().GetHandlesInteractive() for box in boxes)
    assert np.ravel([roiBox(box).size_mm for box in boxes]) == pytest.approx(26, rel=0.25)  # about twice the diameter
    assert organs.ui.boxesLabel.text == "Apply makes a tumor in each of 3 boxes."
    assert "Boxes placed in liver: 3." in organs.ui.statusLabel.text
    organs.parameters.size = Size.SHARE
    center = np.zeros(3)
    boxes[1].GetCenterWorld(center)
    boxes[1].SetCenterWorld(np.add(center, (2, 0, 0)))
    before = node_ids(scene)
    run(app, organs)
    (variant,) = organs.logic.results
    made = [tumor["box_center_lps"] for tumor in variant.provenance["tumors"]]
    np.testing.assert_allclose(made, [roiBox(box).center_lps for box in boxes])
    segmentation = variant.segmentationNode.GetSegmentation()
    names = [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())]
    assert names == [box.GetName() for box in boxes]
    organs.ui.removeLastButton.click()
    app.processEvents()
    assert node_ids(scene) - {"vtkMRMLSubjectHierarchyNode1"} == before  # so the boxes stay
    organs.ui.boxSelector.setCurrentNode(alone)
    assert organs.ui.boxesLabel.isHidden()
    run(app, organs)
    assert len(organs.logic.results[-1].provenance["tumors"]) == 1


def test_undo_takes_the_boxes_back_one_placing_after_the_other(scene: Any, organs: Any) -> None:
    alone, before = organs.parameters.box, node_ids(scene)
    organs.ui.inSegmentButton.checked = True
    assert not organs.ui.undoPlacingButton.enabled
    first = place(organs, 2)
    organs.ui.seedSpinBox.value = 3
    second = place(organs, 3)
    assert visible([*first, *second]) == [False, False, True, True, True]
    organs.ui.undoPlacingButton.click()
    assert organs.parameters.box is first[0]
    assert visible(first) == [True, True]
    assert not any(scene.IsNodePresent(box) for box in second)
    organs.ui.undoPlacingButton.click()
    assert organs.parameters.box is alone and visible([alone]) == [True]
    assert node_ids(scene) == before
    assert not organs.ui.undoPlacingButton.enabled


def test_what_cannot_be_placed_is_said_and_leaves_the_scene_as_it_was(
    scene: Any, organs: Any, monkeypatch: pytest.MonkeyPatch, slot_errors: list[BaseException]
) -> None:
    import slicer

    from TumorGenSlicerLib.panel.parameters import Size

    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    organs.ui.inSegmentButton.checked = True
    before, box = node_ids(scene), organs.parameters.box
    organs.ui.placeInSegmentButton.click()
    assert "Choose a segmentation and a segment to place the boxes in." in shown[0]
    organs.parameters.size, organs.parameters.diameterMm = Size.DIAMETER, 40.0
    place(organs, 20)
    assert "Only" in shown[1] and "of 20" in shown[1] and "liver" in shown[1]
    place(organs, 1, "aorta")
    assert "fits into the aorta" in shown[2]
    assert node_ids(scene) == before
    assert organs.parameters.box is box and visible([box]) == [True]
    assert len(slot_errors) == 3
    slot_errors.clear()


def test_the_number_can_be_drawn_and_a_box_of_a_saved_scene_knows_the_others(
    scene: Any, organs: Any, tmp_path: Any
) -> None:
    import slicer

    from TumorGenSlicerLib.scene.placings import placedTogether

    organs.ui.seedSpinBox.value = 4
    drawn = place(organs, 0)
    assert "Drawn" in organs.ui.placeCountSpinBox.text and len(drawn) >= 1
    names = [box.GetName() for box in place(organs, 2)]
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    other = slicer.vtkMRMLScene()
    other.RegisterNodeClass(slicer.vtkMRMLMarkupsROINode())
    other.SetURL(str(tmp_path / "scene.mrml"))
    other.Connect()
    saved = [other.GetFirstNodeByName(name) for name in names]
    assert placedTogether(saved[0]) == saved


def test_a_run_keeps_its_boxes(app: Any, organs: Any) -> None:
    place(organs, 2)
    organs.ui.applyButton.click()
    assert not organs.ui.undoPlacingButton.enabled and not organs.ui.placeInSegmentButton.enabled
    wait_until(app, lambda: not organs.panel.runMonitor.isActive)
    assert organs.ui.undoPlacingButton.enabled and organs.ui.placeInSegmentButton.enabled
