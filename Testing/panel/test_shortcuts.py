"""Keyboard shortcuts, with the keys that Qt would send: undo of the last run, box, Apply, Cancel, other variants."""

from __future__ import annotations

from typing import Any

import pytest
from test_panel import node_ids, rows, run, shown_volume, wait_until
from test_shown_while_running import display, selected_row, selected_seed

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")

#: Keys of Slicer's main window, views and Python console with Ctrl, from its user guide; Ctrl+B is the 3D view's.
SLICERS_OWN = {f"Ctrl+{key}" for key in (*"0123456789", *"FOSWHBGVCXA`")}


@pytest.fixture
def visible(app: Any, ready: Any) -> Any:
    """The panel in an active window, with two results of seeds 0 and 1."""
    import slicer

    ready.parameters.variants = 2
    ready.parameters.leastQuality = 0
    window = ready.panel.parent.window
    window.show()
    window.activateWindow()
    wait_until(app, lambda: window.isActiveWindow)
    slicer.util.setSliceViewerLayers(background=ready.pet)
    run(app, ready)
    ready.ui.applyButton.setFocus()
    yield ready
    window.hide()


def press(ready: Any, key: str, modifier: bool = True, widget: Any = None) -> None:
    """Presses a key, with Ctrl, in the panel or in one of its widgets."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    modifiers = Qt.ControlModifier if modifier else Qt.NoModifier
    QTest.keyClick(widget or ready.ui.applyButton, getattr(Qt, f"Key_{key}"), modifiers)


def test_undo_restores_views_selection_masks_and_nodes(app: Any, scene: Any, visible: Any) -> None:
    import slicer

    visible.ui.variantsTable.selectRow(1)
    other = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(visible.pet), name="CT")
    scene.GetNthNodeByClass(2, "vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(other.GetID())
    before, selected = display(scene), selected_seed(visible)
    visible.parameters.seed = 10
    run(app, visible)
    assert len(rows(visible)) == 4 and display(scene) != before
    press(visible, "Z")
    app.processEvents()
    assert display(scene) == before
    assert selected_seed(visible) == selected
    press(visible, "Z")  # the run before
    app.processEvents()
    assert rows(visible) == [] and visible.logic.results == []
    assert shown_volume(scene) is visible.pet
    nodes = node_ids(scene)
    press(visible, "Z")  # there is nothing left
    app.processEvents()
    assert node_ids(scene) == nodes


def test_undo_before_the_first_result_shows_what_was_shown_even_if_that_is_nothing(
    app: Any, scene: Any, ready: Any
) -> None:
    assert shown_volume(scene) is None
    ready.logic.removeVariant(
        *ready.logic.insertTumors(ready.pet, [ready.parameters.box], model=ready.parameters.model)
    )
    before = display(scene)  # Singletons of the scene exist now.
    run(app, ready)
    assert display(scene) != before
    ready.ui.removeLastButton.click()
    app.processEvents()
    assert display(scene) == before


def test_undo_keeps_an_older_result_that_the_user_looks_at(app: Any, scene: Any, visible: Any) -> None:
    old = visible.logic.results[0]
    visible.parameters.seed = 10
    run(app, visible)
    visible.ui.variantsTable.selectRow([row[0] for row in rows(visible)].index(str(old.seed)))
    press(visible, "Z")
    app.processEvents()
    assert len(rows(visible)) == 2
    assert selected_seed(visible) == str(old.seed)
    assert shown_volume(scene) is old.volumeNode and old.segmentationNode.GetDisplayVisibility()


def test_undo_in_a_text_field_is_the_text_fields(app: Any, visible: Any) -> None:
    from PySide6.QtWidgets import QLineEdit

    text = visible.ui.seedSpinBox.findChild(QLineEdit)
    text.setFocus()
    text.selectAll()
    press(visible, "7", modifier=False, widget=text)
    assert text.text() == "7"
    press(visible, "Z", widget=text)
    app.processEvents()
    assert text.text() == "0"
    assert len(rows(visible)) == 2


def test_shortcuts_work_only_while_the_panel_is_visible(app: Any, visible: Any) -> None:
    visible.ui.TumorGenSlicer.hide()  # as Slicer does when another module is opened
    press(visible, "Z", widget=visible.panel.parent.window)
    app.processEvents()
    assert len(rows(visible)) == 2


def test_keys_go_through_the_variants_and_stop_at_the_ends(app: Any, scene: Any, visible: Any) -> None:
    assert selected_row(visible) == 0
    for key, row in (("Up", 0), ("Down", 1), ("Down", 1), ("Up", 0)):
        press(visible, key)
        assert selected_row(visible) == row
        assert shown_volume(scene) is visible.logic.results[row].volumeNode


def test_keys_start_and_cancel_a_run(app: Any, visible: Any) -> None:
    visible.parameters.steps = 100
    press(visible, "Return")
    assert visible.panel.runMonitor.isActive
    wait_until(app, lambda: visible.ui.progressBar.value > 0)
    press(visible, "Z")  # not the run before: the button is disabled
    assert len(rows(visible)) == 2
    press(visible, "Return")
    wait_until(app, lambda: not visible.panel.runMonitor.isActive)
    assert "Canceled" in visible.ui.statusLabel.text
    assert len(rows(visible)) == 2


def test_a_key_places_the_box(app: Any, visible: Any) -> None:
    press(visible, "P")
    assert visible.ui.placeBoxButton.checked
    press(visible, "P")
    assert not visible.ui.placeBoxButton.checked


def test_cancel_ends_within_one_step(app: Any, ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from TumorGenSlicerLib.run.worker import Job

    run(app, ready)  # the model is loaded now
    after_cancel: list[int] = []
    report = Job.report

    def note(job: Any, done: int, text: str) -> None:
        if job.isCancelled and done:
            after_cancel.append(done)
        report(job, done, text)

    monkeypatch.setattr(Job, "report", note)
    ready.parameters.steps = 100
    ready.ui.applyButton.click()
    wait_until(app, lambda: ready.ui.progressBar.value > 0)
    ready.ui.applyButton.click()
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)
    assert len(set(after_cancel)) <= 1
    assert "Canceled" in ready.ui.statusLabel.text


def test_every_shortcut_is_free_in_slicer_told_in_a_tool_tip_and_in_the_guide(panel: Any) -> None:
    from guides import REPOSITORY

    from TumorGenSlicerLib.panel.shortcuts import KEYS

    ui = panel.ui
    tips = {
        "place": ui.placeBoxButton,
        "apply": ui.applyButton,
        "undo": ui.removeLastButton,
        "next": ui.variantsTable,
        "previous": ui.variantsTable,
    }
    assert set(tips) == set(KEYS)
    assert len(set(KEYS.values())) == len(KEYS)
    assert not set(KEYS.values()) & SLICERS_OWN
    guide = (REPOSITORY / "docs" / "slicer.md").read_text()
    for action, widget in tips.items():
        assert KEYS[action] in widget.toolTip
        assert f"| {KEYS[action]} |" in guide


def test_the_panel_says_its_version_and_that_of_the_model(panel: Any, tiny_bundle_folder: Any) -> None:
    import json

    import TumorGenCore
    from TumorGenCore.bundle.folders import METADATA, models_root

    def version_in(folder: Any) -> str:
        return str(json.loads((folder / METADATA).read_text())["version"])

    shown = models_root() / "pet-fdg-v2"
    software = f"TumorGen {TumorGenCore.__version__}, model "
    assert panel.ui.versionLabel.text == f"{software}pet-fdg-v2 {version_in(shown)}"
    panel.parameterNode.model = str(tiny_bundle_folder)
    assert panel.ui.versionLabel.text == f"{software}{tiny_bundle_folder.name} {version_in(tiny_bundle_folder)}"
    panel.parameterNode.model = "no such model"
    assert panel.ui.versionLabel.text == f"{software}not found"
