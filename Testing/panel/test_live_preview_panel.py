"""Live preview, as a user sees it: real scene, real engine, widgets of the stand-in."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_panel import node_ids, run, shown_volume, wait_until

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the limits, because the test machine may be busy: all previews are quick, none appear during a drag."""
    from TumorGenSlicerLib.run import live_preview

    def set_limits(limit: float = 1e6, drag: float = 0.0) -> None:
        monkeypatch.setattr(live_preview, "LIMIT_SECONDS", limit)
        monkeypatch.setattr(live_preview, "DRAG_SECONDS", drag)

    set_limits()
    return set_limits


def preview(scene: Any) -> Any:
    return scene.GetFirstNodeByName("Tumor preview")


def told(ready: Any) -> str:
    return ready.ui.statusLabel.text


@pytest.fixture
def live(app: Any, scene: Any, ready: Any) -> Any:
    """A panel with live preview on, and the first preview in the views."""
    import slicer

    slicer.util.setSliceViewerLayers(background=ready.pet)
    ready.before = node_ids(scene)
    ready.ui.livePreviewCheckBox.click()
    wait_until(app, lambda: preview(scene) is not None)
    return ready


def idle(app: Any, seconds: float = 0.3) -> None:
    """Lets Qt handle events for longer than a box has to rest."""
    end = time.monotonic() + seconds
    wait_until(app, lambda: time.monotonic() > end)


def move(app: Any, ready: Any, center: tuple[float, float, float]) -> None:
    """Moves the box and waits for its preview."""
    before = ready.panel.livePreview.shown
    ready.parameters.box.SetCenterWorld(*center)
    wait_until(app, lambda: ready.panel.livePreview.shown not in (before, None))


def test_it_is_off_until_the_user_or_a_measurement_turns_it_on(app: Any, scene: Any, ready: Any) -> None:
    assert not ready.ui.livePreviewCheckBox.checked
    ready.parameters.box.SetCenterWorld(8.0, 0.0, 0.0)
    idle(app)
    assert preview(scene) is None
    run(app, ready)
    assert ready.ui.livePreviewCheckBox.checked
    assert "Live preview is on" in told(ready)
    assert ready.parameters.livePreview


def test_a_slow_computer_leaves_it_off_and_the_user_may_insist(app: Any, scene: Any, ready: Any, limits: Any) -> None:
    limits(limit=0.0)
    ready.ui.livePreviewCheckBox.click()  # a trial
    wait_until(app, lambda: not ready.ui.livePreviewCheckBox.checked)
    assert "Live preview is off" in told(ready)
    assert preview(scene) is None
    ready.ui.livePreviewCheckBox.click()
    wait_until(app, lambda: preview(scene) is not None)
    move(app, ready, (8.0, 0.0, 0.0))
    assert ready.ui.livePreviewCheckBox.checked
    run(app, ready)
    assert ready.ui.livePreviewCheckBox.checked


def test_the_decision_is_kept_in_the_applications_settings(
    app: Any, ready: Any, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt
    from open_panel import open_panel

    kept: dict[str, str] = {}

    class Settings:
        def value(self, key: str, default: Any = None) -> Any:
            return kept.get(key, default)

        def setValue(self, key: str, value: Any) -> None:
            kept[key] = value

    monkeypatch.setattr(qt, "QSettings", Settings)
    run(app, ready)
    assert list(kept.values()) == ["quick"]
    for remembered in (True, False):
        scene.Clear(0)
        other = open_panel()
        assert other.ui.livePreviewCheckBox.checked == remembered
        other.ui.livePreviewCheckBox.click()
        other.ui.livePreviewCheckBox.click()
        other.ui.livePreviewCheckBox.click()
        other.cleanup()
        other.ui.TumorGenSlicer.setMRMLScene(None)
        other.parent.deleteLater()
    assert list(kept.values()) == ["wanted"]


def test_the_preview_follows_the_box_in_one_node_and_the_scan_is_left_alone(app: Any, scene: Any, live: Any) -> None:
    import slicer

    before = slicer.util.arrayFromVolume(live.pet).copy()
    ids, first = node_ids(scene), slicer.util.arrayFromVolume(preview(scene)).copy()
    assert shown_volume(scene) is preview(scene)
    assert "Preview of 2 steps" in told(live)
    move(app, live, (15.0, -5.0, 0.0))
    second = slicer.util.arrayFromVolume(preview(scene)).copy()
    assert not np.array_equal(first, second)
    changed = np.argwhere(second != before)
    assert np.ptp(changed, axis=0).max() * 4.0 <= 40.0  # this box's voxels only
    assert node_ids(scene) == ids
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(live.pet), before)
    live.parameters.seed = 11
    wait_until(app, lambda: not np.array_equal(slicer.util.arrayFromVolume(preview(scene)), second))


def test_it_is_computed_off_the_main_thread(app: Any, scene: Any, ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from TumorGenCore.insertion.generator import TumorGenerator

    threads, generate = [], TumorGenerator.generate

    def look(*arguments: Any, **options: Any) -> Any:
        threads.append(threading.current_thread())
        return generate(*arguments, **options)

    monkeypatch.setattr(TumorGenerator, "generate", look)
    ready.ui.livePreviewCheckBox.click()
    wait_until(app, lambda: preview(scene) is not None)
    assert threads
    assert threading.main_thread() not in threads


def test_unticking_it_brings_back_what_was_shown(app: Any, scene: Any, live: Any) -> None:
    live.ui.livePreviewCheckBox.click()
    assert shown_volume(scene) is live.pet
    assert node_ids(scene) - {"vtkMRMLSubjectHierarchyNode1"} == live.before - {"vtkMRMLSubjectHierarchyNode1"}


@pytest.mark.parametrize("way", ["other volume", "no volume", "box off", "exit", "cleanup"])
def test_it_goes_with_what_it_shows(app: Any, scene: Any, live: Any, way: str) -> None:
    import slicer

    if way == "other volume":
        live.parameters.inputVolume = slicer.util.addVolumeFromArray(np.ones((9, 9, 9), np.float32))
    elif way == "no volume":
        live.ui.inputVolumeSelector.setCurrentNode(None)
    elif way == "box off":
        live.parameters.box.SetCenterWorld(500.0, 0.0, 0.0)
        wait_until(app, lambda: preview(scene) is None)
        assert "outside the volume" in told(live)
    elif way == "exit":
        live.panel.exit()
    else:
        live.panel.cleanup()
    assert preview(scene) is None
    assert shown_volume(scene) is live.pet
    if way == "exit":
        live.panel.enter()
    elif way == "box off":
        live.parameters.box.SetCenterWorld(0.0, 0.0, 0.0)
    else:
        return
    wait_until(app, lambda: preview(scene) is not None)


@pytest.mark.parametrize("way", ["mrml", "mrb"])
def test_a_scene_saved_while_it_is_on_is_the_users_own(
    app: Any, scene: Any, ready: Any, tmp_path: Path, way: str
) -> None:
    import slicer

    run(app, ready)
    (variant,) = ready.logic.results
    ct = slicer.util.addVolumeFromArray(np.ones((9, 9, 9), np.float32), name="CT")
    red, green, yellow = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    red.SetBackgroundVolumeID(ready.pet.GetID())
    green.SetBackgroundVolumeID(ct.GetID())
    green.SetForegroundVolumeID(ready.pet.GetID())
    green.SetForegroundOpacity(0.4)
    yellow.SetBackgroundVolumeID(variant.volumeNode.GetID())
    before = users_state(scene)
    assert before["volumes"].keys() == {"PET", "CT", variant.volumeNode.GetName()}
    ready.parameters.seed = 5
    wait_until(app, lambda: preview(scene) is not None)
    assert [view.GetNthLayerVolume(3) for view in (red, green, yellow)] == [preview(scene)] * 3
    assert users_state(scene, {"Tumor preview", "Tumor preview mask"}) == before
    assert save(scene, tmp_path, way)
    ready.panel.livePreview.withdraw()
    scene.Clear(0)
    assert load(scene, tmp_path, way)
    assert users_state(scene) == before
    assert [view.GetNumberOfAdditionalLayers() for view in (red, green, yellow)] == [0, 0, 0]


def users_state(scene: Any, without: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    """What the user sees in the scene: volumes with their voxels, visible masks, and the volumes of the views."""
    import slicer

    def nodes(kind: str) -> list[Any]:
        return [node for node in slicer.util.getNodesByClass(kind, scene) if node.GetName() not in without]

    def name(identity: str | None) -> str | None:
        return scene.GetNodeByID(identity).GetName() if identity else None

    return {
        "volumes": {node.GetName(): slicer.util.arrayFromVolume(node).tobytes() for node in nodes("vtkMRMLVolumeNode")},
        "masks": {
            node.GetName(): (node.GetDisplayVisibility(), node.GetDisplayNode().GetVisibility2DFill())
            for node in nodes("vtkMRMLSegmentationNode")
        },
        "views": [
            (name(view.GetBackgroundVolumeID()), name(view.GetForegroundVolumeID()), view.GetForegroundOpacity())
            for view in nodes("vtkMRMLSliceCompositeNode")
        ],
    }


def save(scene: Any, folder: Path, way: str) -> bool:
    """Saves the scene as Slicer does: each volume and mask in a file and the scene, or all in one file."""
    import slicer

    if way == "mrb":
        return bool(scene.WriteToMRB(str(folder / "scene.mrb")))
    for node in slicer.util.getNodesByClass("vtkMRMLStorableNode", scene):
        if not node.GetSaveWithScene() or node.GetName() == "Scene":
            continue
        if node.GetStorageNode() is None and not node.AddDefaultStorageNode():
            continue
        node.GetStorageNode().SetFileName(
            str(folder / f"{node.GetID()}.{node.GetStorageNode().GetDefaultWriteFileExtension()}")
        )
        assert node.GetStorageNode().WriteData(node), node.GetName()
    scene.SetRootDirectory(str(folder))
    scene.SetURL(str(folder / "scene.mrml"))
    return bool(scene.Commit())


def load(scene: Any, folder: Path, way: str) -> bool:
    """Reads what ``save`` has written."""
    if way == "mrb":
        return bool(scene.ReadFromMRB(str(folder / "scene.mrb"), False))
    scene.SetURL(str(folder / "scene.mrml"))
    return bool(scene.Connect())


def test_closing_the_scene_takes_it_along(app: Any, scene: Any, live: Any) -> None:
    live.parameters.box.SetCenterWorld(12.0, 0.0, 0.0)
    scene.Clear(0)
    app.processEvents()
    assert preview(scene) is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_apply_replaces_it_and_it_comes_back_with_the_next_move(app: Any, scene: Any, live: Any) -> None:
    run(app, live)
    (variant,) = live.logic.results
    assert preview(scene) is None
    assert shown_volume(scene) is variant.volumeNode
    assert variant.segmentationNode.GetDisplayVisibility()
    idle(app)
    assert preview(scene) is None
    move(app, live, (10.0, 0.0, 0.0))
    assert shown_volume(scene) is preview(scene)
    assert variant.segmentationNode.GetDisplayVisibility()  # Hidden masks would be saved as hidden.
    live.ui.variantsTable.clearSelection()
    live.ui.variantsTable.selectRow(0)
    assert preview(scene) is None
    assert shown_volume(scene) is variant.volumeNode
    assert variant.segmentationNode.GetDisplayVisibility()


def test_apply_at_once_does_not_wait_for_a_preview(app: Any, scene: Any, live: Any) -> None:
    live.parameters.box.SetCenterWorld(12.0, 0.0, 0.0)
    wait_until(app, lambda: live.panel.livePreview.isUnderWay)
    run(app, live)
    assert len(live.logic.results) == 1
    assert shown_volume(scene) is live.logic.results[0].volumeNode


def test_a_preview_ends_the_comparison(app: Any, scene: Any, live: Any) -> None:
    run(app, live)
    live.ui.compareButton.click()
    assert live.ui.compareButton.checked
    move(app, live, (10.0, 0.0, 0.0))
    assert not live.ui.compareButton.checked
    assert shown_volume(scene) is preview(scene)


def test_what_fails_is_said_in_the_status_line_and_opens_no_window(
    app: Any, scene: Any, live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    windows: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: windows.append(text))
    slicer.util.arrayFromVolume(live.pet)[10, 10, 10] = np.nan
    live.parameters.box.SetCenterWorld(4.0, 0.0, 0.0)
    wait_until(app, lambda: "No preview" in told(live))
    assert "NaN" in told(live)
    assert preview(scene) is None
    assert windows == []
    assert live.ui.applyButton.enabled


def test_a_quick_computer_shows_previews_during_the_drag(app: Any, scene: Any, live: Any, limits: Any) -> None:
    limits(drag=1e6)
    first, positions = live.panel.livePreview.shown, iter(np.linspace(-10, 10, 100_000))

    def dragged() -> bool:
        live.parameters.box.SetCenterWorld(float(next(positions)), 0.0, 0.0)
        return live.panel.livePreview.shown not in (first, None)

    wait_until(app, dragged)


def test_a_slow_one_waits_until_the_box_rests(app: Any, scene: Any, live: Any, limits: Any) -> None:
    monitor, positions = live.panel.livePreview, iter(np.linspace(-10, 10, 60))
    first = monitor.shown
    for position in positions:
        live.parameters.box.SetCenterWorld(float(position), 0.0, 0.0)
        app.processEvents()
        threading.Event().wait(0.004)
        assert monitor.shown == first
    wait_until(app, lambda: monitor.shown != first)
    assert tuple(monitor.shown.box.center_lps) == pytest.approx((-10.0, 0.0, 0.0))


# A target for the uptake


def test_a_target_reaches_the_engine_and_a_missed_one_is_said_under_the_table(app: Any, ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Uptake

    assert not ready.ui.uptakeSuvSpinBox.enabled
    ready.ui.uptakeComboBox.currentIndex = list(Uptake).index(Uptake.MAX)
    assert ready.ui.uptakeSuvSpinBox.enabled
    ready.ui.uptakeSuvSpinBox.value = 6.0
    run(app, ready)
    first = ready.logic.results[0]
    assert first.provenance["request"]["suv_max"] == 6.0
    assert first.measures.suv_max == pytest.approx(6.0, rel=0.05)
    assert "requested" not in ready.ui.resultWarningsLabel.text
    ready.ui.uptakeComboBox.currentIndex = list(Uptake).index(Uptake.MEAN)
    ready.ui.uptakeSuvSpinBox.value = 0.1
    run(app, ready)
    assert "requested 0.1" in ready.ui.resultWarningsLabel.text
    ready.ui.variantsTable.selectRow(0)
    assert "requested" not in ready.ui.resultWarningsLabel.text


def test_the_panel_says_where_it_takes_the_factor_to_suv(
    app: Any, ready: Any, monkeypatch: pytest.MonkeyPatch, slot_errors: list[BaseException]
) -> None:
    import slicer

    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    units = slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("Bq/ml", "UCUM", "Bq/ml")
    ready.pet.SetVoxelValueUnits(units)
    ready.pet.Modified()
    ready.parameters.suvFactor = 0.0
    wait_until(app, lambda: "Advanced > SUV per unit" in ready.ui.warningsLabel.text)
    ready.ui.applyButton.click()
    assert "Advanced > SUV per unit" in shown[0]
    assert "suv-factor" not in shown[0]
    assert len(slot_errors) == 1
    slot_errors.clear()
