"""Variants that the panel shows during their run: when they appear, stay and disappear."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from test_panel import node_ids, rows, run, shown_volume, wait_until

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


@pytest.fixture
def let(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the worker hand over a number of further variants."""
    from TumorGenSlicerLib.run.worker import Job

    permits, hand_over = threading.Semaphore(0), Job.handOver

    def wait_and_hand_over(job: Any, part: Any) -> None:
        assert permits.acquire(timeout=60)
        hand_over(job, part)

    monkeypatch.setattr(Job, "handOver", wait_and_hand_over)
    yield permits.release
    permits.release(100)


@pytest.fixture
def running(app: Any, ready: Any, let: Any) -> Any:
    """A run of three variants; the first is shown, the others wait."""
    ready.parameters.variants = 3
    ready.parameters.leastQuality = 0
    ready.ui.applyButton.click()
    let()
    wait_until(app, lambda: len(rows(ready)) == 1)
    return ready


def end(app: Any, let: Any, ready: Any) -> None:
    """Lets the run end."""
    let(3)
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)
    app.processEvents()


def selected_row(ready: Any) -> int:
    (index,) = ready.ui.variantsTable.selectionModel().selectedRows()
    return index.row()


def selected_seed(ready: Any) -> str:
    return rows(ready)[selected_row(ready)][0]


def visible_masks(ready: Any) -> list[Any]:
    return [v.segmentationNode for v in ready.logic.results if v.segmentationNode.GetDisplayVisibility()]


def display(scene: Any) -> Any:
    """Nodes, what each slice view shows, and which masks are visible."""
    composites = [scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode") for n in range(3)]
    masks = [scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in range(10)]
    return SimpleNamespace(
        nodes=node_ids(scene),
        layers=[(view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) for view in composites],
        masks=[bool(mask.GetDisplayVisibility()) for mask in masks if mask],
    )


def test_the_first_is_shown_while_the_run_goes_on(app: Any, scene: Any, running: Any, let: Any) -> None:
    assert running.ui.applyButton.text == "Cancel"
    (first,) = running.logic.results
    assert shown_volume(scene) is first.volumeNode
    assert visible_masks(running) == [first.segmentationNode]
    let()
    wait_until(app, lambda: len(rows(running)) == 2)
    assert running.panel.runMonitor.isActive
    assert shown_volume(scene) is first.volumeNode
    assert visible_masks(running) == [first.segmentationNode]
    assert selected_seed(running) == str(first.seed)


def test_the_best_is_shown_in_the_end(app: Any, scene: Any, running: Any, let: Any) -> None:
    end(app, let, running)
    best = max(running.logic.results, key=lambda variant: variant.quality.total)
    assert len(rows(running)) == 3
    assert selected_row(running) == 0
    assert shown_volume(scene) is best.volumeNode
    assert visible_masks(running) == [best.segmentationNode]


@pytest.mark.parametrize("way", ["select", "select and back", "compare"])
def test_what_the_user_has_chosen_stays(app: Any, scene: Any, running: Any, let: Any, way: str) -> None:
    let()
    wait_until(app, lambda: len(rows(running)) == 2)
    if way == "compare":
        running.ui.compareButton.click()
    else:
        running.ui.variantsTable.selectRow(1 - selected_row(running))
    if way == "select and back":
        running.ui.variantsTable.selectRow(1 - selected_row(running))
    chosen = selected_seed(running)
    end(app, let, running)
    assert len(rows(running)) == 3
    assert selected_seed(running) == chosen
    assert running.ui.compareButton.checked == (way == "compare")
    (variant,) = [variant for variant in running.logic.results if str(variant.seed) == chosen]
    assert way == "compare" or shown_volume(scene) is variant.volumeNode
    assert visible_masks(running) == [variant.segmentationNode]


def test_what_the_user_chose_before_the_first_came_stays(app: Any, scene: Any, ready: Any, let: Any) -> None:
    ready.parameters.leastQuality = 0
    ready.parameters.variants = 2
    let(2)
    run(app, ready)
    ready.ui.applyButton.click()
    ready.ui.variantsTable.selectRow(1)
    chosen = shown_volume(scene)
    end(app, let, ready)
    assert len(rows(ready)) == 4
    assert shown_volume(scene) is chosen


def test_what_the_user_removes_stays_removed(app: Any, scene: Any, running: Any, let: Any) -> None:
    (first,) = running.logic.results
    running.ui.removeButton.click()
    app.processEvents()
    assert rows(running) == []
    assert shown_volume(scene) is running.pet
    end(app, let, running)
    assert len(rows(running)) == 2
    assert not scene.IsNodePresent(first.volumeNode)
    assert str(first.seed) not in {row[0] for row in rows(running)}
    assert selected_row(running) == 0
    assert shown_volume(scene) is running.logic.results[0].volumeNode
    assert running.ui.statusLabel.text.startswith("Done in")


def test_a_run_of_which_the_user_removes_everything_ends_well(app: Any, scene: Any, ready: Any, let: Any) -> None:
    import slicer

    slicer.util.setSliceViewerLayers(background=ready.pet)
    ready.parameters.leastQuality = 0
    ready.parameters.variants = 2
    ready.ui.applyButton.click()
    for _ in range(2):
        let()
        wait_until(app, lambda: len(rows(ready)) == 1 or not ready.panel.runMonitor.isActive)
        ready.ui.removeLastButton.click()
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)
    assert ready.logic.results == []
    assert ready.ui.statusLabel.text.startswith("Done in")
    assert shown_volume(scene) is ready.pet


@pytest.fixture
def shown_before(app: Any, scene: Any, ready: Any, let: Any) -> Any:
    """Two results: the poorer one is selected and in two views, another volume is in the third view. Then a run of
    three more variants, which shows its first."""
    import slicer

    ready.parameters.leastQuality = 0
    ready.parameters.variants = 2
    let(2)
    run(app, ready)
    ready.ui.variantsTable.selectRow(1)
    other = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(ready.pet), name="CT")
    scene.GetNthNodeByClass(2, "vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(other.GetID())
    ready.before, ready.selected = display(scene), selected_seed(ready)
    ready.parameters.seed = 10
    ready.parameters.variants = 3
    ready.ui.applyButton.click()
    let()
    wait_until(app, lambda: len(rows(ready)) == 3)
    assert shown_volume(scene).GetID() not in ready.before.nodes
    assert display(scene) != ready.before
    return ready


def test_cancel_brings_back_what_was_shown(app: Any, scene: Any, shown_before: Any, let: Any) -> None:
    shown_before.ui.applyButton.click()
    end(app, let, shown_before)
    assert "Canceled" in shown_before.ui.statusLabel.text
    assert display(scene) == shown_before.before
    assert selected_seed(shown_before) == shown_before.selected


def test_failure_brings_back_what_was_shown(
    app: Any,
    scene: Any,
    shown_before: Any,
    let: Any,
    monkeypatch: pytest.MonkeyPatch,
    slot_errors: list[BaseException],
) -> None:
    import slicer

    from TumorGenSlicerLib.scene import result_nodes

    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    windows: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: windows.append(text))
    monkeypatch.setattr(result_nodes, "newSegment", fail)
    end(app, let, shown_before)
    assert "Failed" in shown_before.ui.statusLabel.text
    assert len(windows) == 1
    assert isinstance(slot_errors.pop(), MemoryError)
    assert display(scene) == shown_before.before
    assert selected_seed(shown_before) == shown_before.selected


def test_what_the_user_put_in_a_view_meanwhile_stays(app: Any, scene: Any, shown_before: Any, let: Any) -> None:
    view = scene.GetNthNodeByClass(1, "vtkMRMLSliceCompositeNode")
    view.SetBackgroundVolumeID(shown_before.pet.GetID())
    shown_before.ui.applyButton.click()
    end(app, let, shown_before)
    layers = shown_before.before.layers
    assert display(scene).layers == [layers[0], (shown_before.pet.GetID(), None), layers[2]]


def test_reloading_the_module_takes_back_what_was_shown(app: Any, scene: Any, shown_before: Any, let: Any) -> None:
    let(3)
    shown_before.panel.cleanup()
    assert display(scene) == shown_before.before


def test_closing_the_scene_leaves_nothing_behind(app: Any, scene: Any, running: Any, let: Any) -> None:
    scene.Clear(0)
    end(app, let, running)
    assert rows(running) == []
    assert running.logic.results == []
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_progress_goes_on_to_the_end_it_had_from_the_beginning(app: Any, ready: Any) -> None:
    """The untrained networks reach no quality of 1, so there are redraws, which the plan does not count."""
    ready.parameters.variants = 2
    ready.parameters.leastQuality = 100
    ready.ui.applyButton.click()
    seen: list[tuple[int, int]] = []

    def finished() -> bool:
        if ready.ui.progressBar.maximum == 4:
            seen.append((ready.ui.progressBar.value, ready.ui.progressBar.maximum))
        return not ready.panel.runMonitor.isActive

    wait_until(app, finished)
    assert seen == sorted(seen)
    assert ready.ui.progressBar.maximum == 4
