"""Previews: when they are on, what they compute, and what they leave in the scene."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

import slicer
from scene_cases import addRoi, addVolume, aRoi, aVolume, bits, matrix, noise, sceneState, transformed, turn, voxels

from TumorGenCore.errors import CancelledError, InvalidBoxError
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenSlicerLib.run.live_preview import (
    DRAG_SECONDS,
    LIMIT_SECONDS,
    Decision,
    LivePreviewDecision,
    pauseMs,
    secondsOfPreview,
)
from TumorGenSlicerLib.run.logic import BusyError, InsertionLogic
from TumorGenSlicerLib.run.preview_run import forgetPreparedBox, runPreview
from TumorGenSlicerLib.run.worker import Job
from TumorGenSlicerLib.scene.preview_nodes import PreviewNodes

QUICK, SLOW = LIMIT_SECONDS / 2, LIMIT_SECONDS * 2


# On or off


def test_previews_are_off_until_a_quick_one_was_measured():
    decision = LivePreviewDecision()
    assert not decision.isOn
    assert "is on" in decision.measure(QUICK)
    assert decision.isOn
    assert decision.measure(QUICK) == ""


def test_a_slow_computer_says_so_once_and_leaves_them_off():
    decision = LivePreviewDecision()
    assert "2.0 s" in decision.measure(SLOW)
    assert not decision.isOn
    assert decision.measure(QUICK) == ""
    assert not decision.isOn


def test_a_trial_before_the_measurement_ends_with_a_slow_one_and_goes_on_with_a_quick_one():
    for seconds in (QUICK, SLOW):
        decision = LivePreviewDecision()
        decision.choose(True)
        assert decision.isOn
        assert bool(decision.measure(seconds)) == (seconds == SLOW)
        assert decision.isOn == (seconds == QUICK)


def test_the_users_word_beats_the_measurement():
    decision = LivePreviewDecision()
    decision.measure(SLOW)
    decision.choose(True)
    assert decision.measure(SLOW) == ""
    assert decision.isOn
    decision.choose(False)
    assert decision.measure(QUICK) == ""
    assert not decision.isOn


def test_off_before_the_measurement_is_a_word_too():
    decision = LivePreviewDecision()
    decision.choose(False)
    decision.measure(QUICK)
    assert not decision.isOn


def test_a_larger_box_may_turn_out_too_slow():
    decision = LivePreviewDecision()
    decision.measure(QUICK)
    assert decision.measure(SLOW)
    assert not decision.isOn


@pytest.mark.parametrize("state", list(Decision))
def test_the_decision_is_remembered(state):
    again = LivePreviewDecision(state.value)
    assert again.decision is state
    assert again.isOn == (state in (Decision.QUICK, Decision.WANTED))
    assert LivePreviewDecision("nonsense").decision is Decision.OPEN


def test_what_a_preview_takes_follows_from_the_parts_of_a_run():
    parts = {"encode": 0.5, "steps": 2.0, "decode": 0.25}
    assert secondsOfPreview(parts, 10) == pytest.approx(0.5 + 0.8 + 0.25)
    assert secondsOfPreview(parts, 2) == pytest.approx(2.75)


def test_only_quick_previews_are_made_during_a_drag_and_leave_the_mouse_its_share():
    assert pauseMs(None, 1e9) is None
    assert pauseMs(DRAG_SECONDS * 1.01, 1e9) is None
    assert pauseMs(0.1, 1e9) == 0
    assert pauseMs(0.1, 50) == 100  # a half more than a preview takes, from beginning to beginning


# What is computed


@pytest.fixture
def quick(tiny):
    """Arguments of a preview with small untrained networks."""
    yield {**tiny, "request": TumorRequest(steps=2, solver="adams")}
    forgetPreparedBox()


def cases(scene):
    """Volumes and boxes: inside, past an edge, far past a corner, and all under a transform."""
    volume = aVolume(scene)
    yield volume, aRoi(scene)
    yield volume, aRoi(scene, shift=(30, 0, 0))
    yield volume, aRoi(scene, (90, 80, 90), (25, -30, 20))
    large = addVolume(scene, noise(np.random.default_rng(1), (60, 50, 40), np.int16), matrix(turn(5, 0, 3) * 3.0))
    transformed(scene, large, matrix(turn(0, 20, 0), (4, 5, 6)))
    center = slicer.util.arrayFromVTKMatrix(_toWorld(large)) @ [30, 25, 20, 1]
    yield large, addRoi(scene, center[:3], (25, 20, 22), turn(10, 20, 30))


def _toWorld(volume):
    import vtk

    toRas, toWorld = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(toRas)
    transform = volume.GetParentTransformNode()
    if transform is not None:
        transform.GetMatrixTransformToWorld(toWorld)
    vtk.vtkMatrix4x4.Multiply4x4(toWorld, toRas, toRas)
    return toRas


@pytest.mark.parametrize("number", range(4))
def test_a_preview_is_the_tumor_that_a_run_with_as_many_steps_makes(scene, logic, quick, number):
    volume, roi = list(cases(scene))[number]
    factor = 1e-3 if voxels(volume).dtype == np.int16 else 1.0
    arguments = {**quick, "suvFactor": factor, "seed": 3}
    before = voxels(volume).copy()
    result = logic.startPreview(volume, roi, **arguments).result()
    shown = PreviewNodes(scene)
    shown.show(volume, result, factor)
    synthetic, segmentation = logic.insertTumor(volume, roi, **arguments)
    previewNode = scene.GetFirstNodeByName("Tumor preview")
    # Its patch is read from a part of the volume, whose origin is rounded differently.
    np.testing.assert_allclose(
        voxels(previewNode).astype(float), voxels(synthetic).astype(float), atol=1.0 if factor < 1 else 2e-3
    )
    assert (voxels(previewNode) != before).any()
    outside = voxels(synthetic) == before
    assert (voxels(previewNode) == before)[outside].mean() > 0.999
    np.testing.assert_array_equal(bits(voxels(volume)), bits(before))
    mask = scene.GetFirstNodeByName("Tumor preview mask")
    ours, theirs = (
        slicer.util.arrayFromSegmentBinaryLabelmap(node, node.GetSegmentation().GetNthSegmentID(0), volume) > 0
        for node in (mask, segmentation)
    )
    assert theirs.any()
    assert (ours != theirs).mean() < 1e-3


def test_only_the_surroundings_of_the_box_are_read(scene, logic, quick, monkeypatch):
    sizes = []
    prepare = TumorGenerator.prepare

    def look(generator, volume, box, **options):
        sizes.append(volume.image.GetNumberOfPixels())
        return prepare(generator, volume, box, **options)

    monkeypatch.setattr(TumorGenerator, "prepare", look)
    body = addVolume(scene, np.ones((200, 100, 100), np.float32), matrix(np.diag([4.0, 4, 4])))
    logic.startPreview(body, addRoi(scene, (200, 200, 400), (40, 40, 40)), **quick).result()
    assert sizes[0] < 40**3


def test_a_prepared_box_serves_every_seed_and_no_other_box_or_voxels(scene, logic, quick, monkeypatch):
    calls = []
    prepare = TumorGenerator.prepare
    monkeypatch.setattr(TumorGenerator, "prepare", lambda *a, **k: calls.append(1) or prepare(*a, **k))
    volume, roi = aVolume(scene), aRoi(scene)
    one = logic.startPreview(volume, roi, seed=1, **quick).result()
    two = logic.startPreview(volume, roi, seed=2, **quick).result()
    request = TumorRequest(steps=2, solver="adams", suv_max=30.0)
    hot = logic.startPreview(volume, roi, seed=2, **{**quick, "request": request}).result()
    assert len(calls) == 1
    assert not np.array_equal(one.voxels, two.voxels)
    assert not np.array_equal(hot.voxels, two.voxels)
    voxels(volume)[7, 9, 8] += 1  # in place: no event tells of it
    logic.startPreview(volume, roi, seed=2, **quick).result()
    assert len(calls) == 2
    roi.SetSize(34, 30, 30)
    logic.startPreview(volume, roi, seed=2, **quick).result()
    assert len(calls) == 3
    logic.startPreview(volume, roi, seed=2, **{**quick, "suvFactor": 2.0}).result()
    assert len(calls) == 4


# Beside other work


@pytest.fixture
def held(monkeypatch):
    """Previews begin (``held.begun``) and then wait for ``held.go``."""

    class Held:
        begun, go = threading.Event(), threading.Event()

    held = Held()

    def hold(source, startIjk, job):
        held.begun.set()
        assert held.go.wait(60)
        return runPreview(source, startIjk, job)

    monkeypatch.setattr("TumorGenSlicerLib.run.logic.runPreview", hold)
    yield held
    held.go.set()


def test_the_newest_preview_wins(scene, logic, quick, held):
    volume, roi = aVolume(scene), aRoi(scene)
    first = logic.startPreview(volume, roi, seed=1, **quick)
    assert held.begun.wait(60)
    second = logic.startPreview(volume, roi, seed=2, **quick)
    third = logic.startPreview(volume, roi, seed=3, **quick)
    held.go.set()
    assert third.result().voxels.size
    for preview in (first, second):
        with pytest.raises(CancelledError):
            preview.result()


def test_a_run_does_not_wait_for_a_preview_and_a_preview_disturbs_no_run(scene, logic, tiny, quick, held):
    volume, roi = aVolume(scene), aRoi(scene)
    preview = logic.startPreview(volume, roi, **quick)
    assert held.begun.wait(60)
    run = InsertionLogic(scene).startInsertion(volume, [roi], **tiny)
    with pytest.raises(BusyError):
        logic.startPreview(volume, roi, **quick)
    held.go.set()
    assert run.wait(60)
    assert len(run.addResults()) == 1
    with pytest.raises(CancelledError):
        preview.result()


def test_a_preview_is_cancelled_at_its_next_step(scene, logic, quick, monkeypatch):
    volume, roi = aVolume(scene), aRoi(scene)
    asked = []

    def isCancelled(job):
        asked.append(job)
        return len(asked) > 5

    monkeypatch.setattr(Job, "isCancelled", property(isCancelled))
    preview = logic.startPreview(volume, roi, **{**quick, "request": TumorRequest(steps=10_000)})
    with pytest.raises(CancelledError):
        preview.result()


def test_what_cannot_be_previewed_is_refused_at_once(scene, logic, quick):
    volume, state = aVolume(scene), None
    thin, far = aRoi(scene, (30, 8, 30)), aRoi(scene, shift=(500, 0, 0))
    state = sceneState(scene)
    for roi in (thin, far):
        with pytest.raises(InvalidBoxError):
            logic.startPreview(volume, roi, **quick)
    assert sceneState(scene) == state


# In the scene


@pytest.fixture
def views(scene):
    """Composite nodes of three slice views: the volume in the background, in the foreground, and not at all."""
    made = []
    for name in ("Red", "Green", "Yellow"):
        node = scene.CreateNodeByClass("vtkMRMLSliceCompositeNode")
        node.UnRegister(None)
        node.SetSingletonTag(name)
        node.SetLayoutName(name)
        made.append(scene.AddNode(node))
    return made


def shown(views):
    """Background, foreground and the volume on top of them, of each view."""
    return [
        (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID(), view.GetNthLayerVolumeID(view.Layer_Last))
        for view in views
    ]


@pytest.fixture
def case(scene, logic, quick):
    volume, roi = aVolume(scene), aRoi(scene)
    return volume, roi, lambda **changes: logic.startPreview(volume, roi, **{**quick, **changes}).result()


def test_previews_share_one_volume_and_one_mask_and_write_their_own_voxels_only(scene, case):
    volume, roi, make = case
    before = voxels(volume).copy()
    nodes = PreviewNodes(scene)
    nodes.show(volume, make(), 1.0)
    state, array = set(sceneState(scene)), voxels(scene.GetFirstNodeByName("Tumor preview"))
    for shift in ((12, 0, 0), (-10, 8, 5)):
        center = np.array([30.0, -20.0, 10.0]) + shift
        roi.SetCenterWorld(*center)
        result = make()
        nodes.show(volume, result, 1.0)
        i, j, k = result.segment.start_ijk
        expected = before.copy()
        expected[tuple(slice(a, a + n) for a, n in zip((k, j, i), result.voxels.shape, strict=True))] = result.voxels
        np.testing.assert_array_equal(voxels(scene.GetFirstNodeByName("Tumor preview")), expected)
    assert np.shares_memory(array, voxels(scene.GetFirstNodeByName("Tumor preview")))
    assert set(sceneState(scene)) == state
    mask = scene.GetFirstNodeByName("Tumor preview mask").GetSegmentation()
    assert mask.GetNumberOfSegments() == 1
    np.testing.assert_array_equal(bits(voxels(volume)), bits(before))


def test_a_preview_is_neither_listed_nor_saved_nor_an_undo_step(scene, case):
    volume, _, make = case
    before = {node.GetID() for node in scene.GetNodes()}
    PreviewNodes(scene).show(volume, make(), 1.0)
    added = [node for node in scene.GetNodes() if node.GetID() not in before]
    assert len(added) >= 4
    for node in added:
        if node.IsA("vtkMRMLSubjectHierarchyNode"):
            continue
        assert node.GetHideFromEditors(), node.GetID()
        assert not node.GetSaveWithScene(), node.GetID()
        assert not node.GetUndoEnabled(), node.GetID()


def test_views_and_scene_are_as_before_when_a_preview_goes(scene, case, views):
    volume, _, make = case
    other = aVolume(scene, name="CT")
    views[0].SetBackgroundVolumeID(volume.GetID())
    views[1].SetBackgroundVolumeID(other.GetID())
    views[1].SetForegroundVolumeID(volume.GetID())
    views[2].SetBackgroundVolumeID(other.GetID())
    result, nodes = make(), PreviewNodes(scene)
    before, state = shown(views), set(sceneState(scene)) | {"vtkMRMLSubjectHierarchyNode1"}
    for _ in range(2):
        nodes.show(volume, result, 1.0)
        preview = scene.GetFirstNodeByName("Tumor preview").GetID()
        assert shown(views) == [(*before[0][:2], preview), (*before[1][:2], preview), before[2]]
        nodes.show(volume, result, 1.0)
        nodes.remove()
        nodes.remove()  # twice does no harm
        assert shown(views) == before
        assert set(sceneState(scene)) | {"vtkMRMLSubjectHierarchyNode1"} == state
        assert not nodes.isShown


def test_what_the_user_puts_in_a_view_meanwhile_is_not_covered(scene, case, views):
    volume, _, make = case
    other = aVolume(scene, name="CT")
    nodes = PreviewNodes(scene)
    nodes.show(volume, make(), 1.0)  # no view shows the volume: the preview is in all of them
    preview = scene.GetFirstNodeByName("Tumor preview").GetID()
    assert shown(views) == [(None, None, preview)] * 3
    views[0].SetBackgroundVolumeID(other.GetID())
    assert shown(views) == [(other.GetID(), None, None), *[(None, None, preview)] * 2]
    nodes.remove()
    assert shown(views) == [(other.GetID(), None, None), *[(None, None, None)] * 2]


def test_a_layer_of_somebody_else_stays(scene, case, views):
    volume, _, make = case
    other = aVolume(scene, name="CT")
    views[0].SetNthLayerVolumeID(3, other.GetID())
    nodes = PreviewNodes(scene)
    nodes.show(volume, make(), 1.0)
    assert views[0].GetNthLayerVolume(4) is scene.GetFirstNodeByName("Tumor preview")
    nodes.remove()
    assert (views[0].GetNthLayerVolumeID(3), views[0].GetNumberOfAdditionalLayers()) == (other.GetID(), 1)


def test_a_preview_is_as_visible_as_the_volume_that_it_covers(scene, case, views):
    volume, _, make = case
    ct = aVolume(scene, name="CT")
    below, above, alone = views
    below.SetBackgroundVolumeID(volume.GetID())
    below.SetForegroundVolumeID(ct.GetID())
    above.SetBackgroundVolumeID(ct.GetID())
    above.SetForegroundVolumeID(volume.GetID())
    alone.SetBackgroundVolumeID(volume.GetID())
    for view in views:
        view.SetForegroundOpacity(0.25)
    nodes = PreviewNodes(scene)
    nodes.show(volume, make(), 1.0)
    assert [view.GetNthLayerOpacity(view.Layer_Last) for view in views] == [0.75, 0.25, 1.0]
    above.SetForegroundOpacity(0.5)  # the user's slider
    assert above.GetNthLayerOpacity(above.Layer_Last) == 0.5
    nodes.remove()
    assert [view.GetForegroundOpacity() for view in views] == [0.25, 0.5, 0.25]


def test_results_are_covered_and_their_masks_stay(scene, logic, tiny, case, views):
    volume, roi, make = case
    one, two = logic.insertTumors(volume, [roi], seeds=[1, 2], **tiny)
    views[0].SetBackgroundVolumeID(one.volumeNode.GetID())
    two.segmentationNode.SetDisplayVisibility(False)
    nodes = PreviewNodes(scene)
    for way in (lambda: nodes.show(volume, make(), 1.0, logic.results), nodes.remove):
        way()
        assert (views[0].GetNumberOfAdditionalLayers() == 1) == nodes.isShown
        assert views[0].GetBackgroundVolumeID() == one.volumeNode.GetID()
        visible = [bool(variant.segmentationNode.GetDisplayVisibility()) for variant in (one, two)]
        assert visible == [True, False]


def test_the_preview_follows_window_and_colors_of_the_volume(scene, case):
    volume, _, make = case
    nodes = PreviewNodes(scene)
    nodes.show(volume, make(), 1.0)
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevel(7.0, 3.0)
    volume.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
    display = scene.GetFirstNodeByName("Tumor preview").GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (7.0, 3.0)
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    nodes.remove()
    volume.GetDisplayNode().SetWindowLevel(8.0, 4.0)  # nothing listens any more


def test_changes_of_the_volume_reach_the_preview(scene, case):
    volume, _, make = case
    nodes, result = PreviewNodes(scene), make()
    nodes.show(volume, result, 1.0)
    voxels(volume)[0, 0, 0] = 99
    slicer.util.arrayFromVolumeModified(volume)
    volume.SetOrigin(1, 2, 3)
    nodes.show(volume, result, 1.0)
    preview = scene.GetFirstNodeByName("Tumor preview")
    assert voxels(preview)[0, 0, 0] == 99
    assert preview.GetOrigin() == (1, 2, 3)
    other = aVolume(scene, name="other")
    nodes.show(other, result, 1.0)
    assert scene.GetNodesByName("Tumor preview").GetNumberOfItems() == 1
    assert voxels(scene.GetFirstNodeByName("Tumor preview"))[0, 0, 0] != 99


def test_a_preview_whose_nodes_were_deleted_is_made_anew(scene, case, views):
    volume, _, make = case
    views[0].SetBackgroundVolumeID(volume.GetID())
    nodes, result = PreviewNodes(scene), make()
    for name in ("Tumor preview", "Tumor preview mask"):
        nodes.show(volume, result, 1.0)
        scene.RemoveNode(scene.GetFirstNodeByName(name))
        nodes.show(volume, result, 1.0)
        assert scene.GetFirstNodeByName("Tumor preview mask") is not None
        assert views[0].GetNthLayerVolume(3) is scene.GetFirstNodeByName("Tumor preview")
        assert views[0].GetNumberOfAdditionalLayers() == 1
    scene.Clear(0)
    nodes.remove()
    assert not nodes.isShown
