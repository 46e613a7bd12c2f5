"""The panel, used as a user does: real scene, real engine, widgets of the stand-in."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


def wait_until(app: Any, condition: Any, seconds: float = 60.0) -> None:
    """Lets Qt handle events until the condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        app.processEvents()
        time.sleep(0.005)


def run(app: Any, ready: Any) -> None:
    """Presses Apply and waits for the end of the run."""
    ready.ui.applyButton.click()
    assert ready.panel.runMonitor.isActive
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)


def node_ids(scene: Any) -> set[str]:
    return {node.GetID() for node in scene.GetNodes()}


def shown_volume(scene: Any) -> Any:
    """The volume on top in the first slice view: that of an additional layer, or the background."""
    composite = scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    more = composite.GetNumberOfAdditionalLayers()
    return composite.GetNthLayerVolume(composite.LayerLabel + more if more else composite.LayerBackground)


def rows(ready: Any) -> list[list[str]]:
    table = ready.ui.variantsTable
    columns = range(table.columnCount)
    return [[table.item(row, column).text() for column in columns] for row in range(table.rowCount)]


# Before a run


def test_what_is_missing_is_said_beside_the_button(panel: Any, pet: Any) -> None:
    panel.parameterNode.inputVolume = None
    assert not panel.ui.applyButton.enabled
    assert "volume" in panel.ui.statusLabel.text
    panel.parameterNode.inputVolume = pet
    assert not panel.ui.applyButton.enabled
    assert "box" in panel.ui.statusLabel.text


def test_one_click_places_a_box_of_40_mm_there(app: Any, scene: Any, panel: Any, pet: Any) -> None:
    panel.parameterNode.inputVolume = pet
    panel.ui.placeBoxButton.click()
    interaction = app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    point = scene.GetNodeByID(app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID())
    point.AddControlPointWorld(10.0, -5.0, 3.0)
    wait_until(app, lambda: panel.parameterNode.box is not None)
    box = panel.parameterNode.box
    assert tuple(box.GetSize()) == pytest.approx((40, 40, 40))
    assert tuple(box.GetCenterWorld()) == pytest.approx((10, -5, 3))
    assert not panel.ui.placeBoxButton.checked
    assert interaction.GetCurrentInteractionMode() != interaction.Place
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0
    assert panel.ui.applyButton.enabled


def test_placing_can_be_given_up_and_leaves_nothing(app: Any, scene: Any, panel: Any, pet: Any) -> None:
    panel.parameterNode.inputVolume = pet
    before = node_ids(scene)
    panel.ui.placeBoxButton.click()
    assert "Click in a slice view" in panel.ui.statusLabel.text
    panel.ui.placeBoxButton.click()
    app.processEvents()
    assert node_ids(scene) == before
    assert panel.parameterNode.box is None


def test_a_box_off_the_volume_says_why_and_a_box_in_air_only_warns(app: Any, ready: Any) -> None:
    ready.parameters.box.SetCenterWorld(500.0, 0.0, 0.0)
    wait_until(app, lambda: not ready.ui.applyButton.enabled)
    assert "outside the volume" in ready.ui.statusLabel.text
    ready.parameters.box.SetCenterWorld(30.0, 0.0, 0.0)
    wait_until(app, lambda: ready.ui.applyButton.enabled)
    assert "reaches past the volume" in ready.ui.warningsLabel.text


def test_a_target_that_the_place_cannot_take_is_said_before_apply(app: Any, ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Uptake

    ready.parameters.uptakeSuv = 0.5
    assert ready.ui.warningsLabel.text == ""
    ready.parameters.uptake = Uptake.MAX
    words = "The target SUVmax 0.5 is not above the tissue around the box (median SUV 1.0)"
    assert words in ready.ui.warningsLabel.text
    assert ready.ui.applyButton.enabled
    ready.parameters.uptakeSuv = 8.0
    assert words not in ready.ui.warningsLabel.text
    ready.parameters.fillPercent = 60.0
    assert "A tumor cannot fill 60 % of this box" in ready.ui.warningsLabel.text


def test_what_was_said_before_the_run_is_in_the_provenance_and_not_repeated_below_the_table(
    app: Any, ready: Any
) -> None:
    from TumorGenSlicerLib.panel.parameters import Uptake

    ready.parameters.suvFactor = 0.0
    ready.parameters.uptake, ready.parameters.uptakeSuv = Uptake.MAX, 0.5
    said = [line.removeprefix("\u2022 ") for line in ready.ui.warningsLabel.text.splitlines()]
    assert said[0].endswith("if it is right, give 1. Enter it under Advanced > SUV per unit.")
    assert "not above the tissue" in said[1] and len(said) == 2
    run(app, ready)
    (variant,) = ready.logic.results
    assert variant.provenance["warnings"][:2] == said
    assert not any(line in ready.ui.resultWarningsLabel.text for line in said)


def test_the_panel_asks_for_what_its_lists_name_and_shows_its_field_only(ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Size, Uptake, tumorRequest

    ui, parameters = ready.ui, ready.parameters
    ui.uptakeComboBox.currentIndex = list(Uptake).index(Uptake.BACKGROUND)
    ui.uptakeRatioSpinBox.value = 5.0
    ui.sizeComboBox.currentIndex = list(Size).index(Size.DIAMETER)
    assert tumorRequest(parameters).size is None  # 0 leaves it to the model.
    ui.diameterSpinBox.value = 18.0
    request = tumorRequest(parameters)
    assert (request.uptake, request.to_background) == ("to_background", 5.0)
    assert (request.size, request.diameter_mm) == ("diameter_mm", 18.0)
    shown = [box for box in (ui.uptakeSuvSpinBox, ui.uptakeRatioSpinBox) if not box.isHidden()]
    shown += [box for box in (ui.fillSpinBox, ui.volumeSpinBox, ui.diameterSpinBox) if not box.isHidden()]
    assert shown == [ui.uptakeRatioSpinBox, ui.diameterSpinBox]
    parameters.uptake, parameters.uptakeSuv = Uptake.PEAK, 7.0
    parameters.size, parameters.volumeMl = Size.VOLUME, 9.0
    request = tumorRequest(parameters)
    assert (request.suv_peak, request.volume_ml, request.fill) == (7.0, 9.0, None)


def test_a_volume_that_the_box_cannot_hold_keeps_apply_from_being_pressed(ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Size

    ready.parameters.size, ready.parameters.volumeMl = Size.VOLUME, 1500.0
    assert "does not fit into this box" in ready.ui.statusLabel.text
    assert not ready.ui.applyButton.enabled


def test_a_target_above_the_voxel_type_keeps_apply_from_being_pressed(ready: Any) -> None:
    import slicer

    from TumorGenSlicerLib.panel.parameters import Uptake

    small = slicer.util.addVolumeFromArray(np.ones((20, 20, 20), np.uint8), np.diag([4.0, 4.0, 4.0, 1.0]))
    small.SetOrigin(-38.0, -38.0, -38.0)
    ready.parameters.inputVolume, ready.parameters.suvFactor = small, 0.05
    assert ready.ui.applyButton.enabled
    ready.parameters.uptake, ready.parameters.uptakeSuv = Uptake.MAX, 20.0
    assert "the voxel type uint8 of this scan ends at SUV 12.8" in ready.ui.statusLabel.text
    assert not ready.ui.applyButton.enabled
    ready.parameters.uptakeSuv = 12.0
    assert ready.ui.applyButton.enabled


def test_one_box_is_shown_at_a_time(ready: Any) -> None:
    first = ready.parameters.box
    ready.panel.onBoxPlaced([8.0, 0.0, 0.0])
    second = ready.parameters.box
    assert [bool(box.GetDisplayVisibility()) for box in (first, second)] == [False, True]
    ready.ui.boxSelector.setCurrentNode(first)
    assert first.GetDisplayVisibility()


def test_the_slice_views_go_to_a_placed_box(scene: Any, ready: Any) -> None:
    ready.panel.onBoxPlaced([8.0, -4.0, 12.0])
    # As the views of this scene are: all axial.
    offsets = [scene.GetNthNodeByClass(n, "vtkMRMLSliceNode").GetSliceOffset() for n in range(3)]
    assert offsets == pytest.approx([12.0] * 3)


def test_the_panel_fits_beside_the_views(app: Any, ready: Any) -> None:
    """The main path needs 400 x 620 pixels at most; with Advanced open, the panel is at most 800 high."""
    window = ready.panel.parent.window
    window.show()
    app.processEvents()
    main = window.minimumSizeHint()
    ready.panel.ui.advancedCollapsibleButton.collapsed = False
    app.processEvents()
    with_advanced = window.minimumSizeHint()
    window.hide()
    assert main.width() <= 400 and main.height() <= 620
    assert with_advanced.width() <= 400 and with_advanced.height() <= 800


def test_a_model_of_the_users_own_is_remembered(
    ready: Any, tiny_bundle_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    assert ready.ui.modelComboBox.currentText == str(tiny_bundle_folder)
    ready.ui.modelComboBox.setCurrentIndex(0)
    assert ready.parameters.model == ready.logic.modelNames()[0]
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tiny_bundle_folder))
    ready.ui.modelFolderButton.click()
    assert ready.parameters.model == str(tiny_bundle_folder)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: "")
    ready.ui.modelFolderButton.click()
    assert ready.parameters.model == str(tiny_bundle_folder)


def test_a_model_brings_its_steps_and_solver_and_the_user_may_change_them(app: Any, ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Solver

    ready.ui.modelComboBox.currentText = "pet-fdg-v2-4step"
    assert (ready.parameters.steps, ready.parameters.solver) == (4, Solver.ADAMS)
    assert ready.ui.stepsSpinBox.value == 4
    ready.ui.stepsSpinBox.value = 3
    ready.parameters.seed += 1
    assert ready.parameters.steps == 3
    ready.ui.modelComboBox.currentText = "pet-fdg-v2"
    assert (ready.parameters.steps, ready.parameters.solver) == (10, Solver.ADAMS)


def test_the_dice_draws_seeds(ready: Any) -> None:
    drawn = set()
    for _ in range(5):
        ready.ui.diceButton.click()
        drawn.add(ready.parameters.seed)
        assert ready.ui.seedSpinBox.value == ready.parameters.seed
    assert len(drawn) > 1


def test_settings_live_in_the_scene(ready: Any) -> None:
    ready.ui.stepsSpinBox.value = 7
    ready.ui.variantsSpinBox.value = 3
    ready.ui.softMaskCheckBox.checked = True
    fresh = ready.logic.getParameterNode()
    assert (fresh.steps, fresh.variants, fresh.softMask) == (7, 3, True)
    assert fresh.inputVolume is ready.pet
    assert fresh.box is ready.parameters.box


# A run


def test_apply_adds_a_volume_and_a_mask_and_shows_them(app: Any, scene: Any, ready: Any) -> None:
    before = np.array(ready.pet.GetImageData().GetScalarRange())
    run(app, ready)
    (variant,) = ready.logic.results
    assert shown_volume(scene) is variant.volumeNode
    assert variant.segmentationNode.GetDisplayVisibility()
    assert ready.ui.statusLabel.text.startswith("Done in")
    assert ready.ui.applyButton.text == "Apply"
    assert ready.ui.applyButton.enabled
    assert rows(ready)[0][0] == "0"
    np.testing.assert_array_equal(before, ready.pet.GetImageData().GetScalarRange())


def test_progress_is_told_and_apply_is_cancel_meanwhile(app: Any, ready: Any) -> None:
    ready.parameters.variants = 3
    ready.parameters.leastQuality = 0
    ready.parameters.steps = 4
    ready.ui.applyButton.click()
    assert ready.ui.applyButton.text == "Cancel"
    seen = set()

    def finished() -> bool:
        seen.add(ready.ui.progressBar.value)
        return not ready.panel.runMonitor.isActive

    wait_until(app, finished)
    assert ready.ui.progressBar.maximum == 12
    assert len(seen) > 1
    assert {row[0] for row in rows(ready)} == {"0", "1", "2"}


def test_a_second_press_while_packages_are_installed_does_nothing(
    app: Any, ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slicer handles events while pip works."""
    start, presses = ready.logic.startInsertion, []

    def installing(*arguments: Any, **options: Any) -> Any:
        presses.append(ready.ui.applyButton.enabled)
        ready.panel.onApplyButton()
        return start(*arguments, **options)

    monkeypatch.setattr(ready.logic, "startInsertion", installing)
    run(app, ready)
    assert presses == [False]
    assert len(ready.logic.results) == 1


def test_settings_reach_the_engine(app: Any, ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Device, Solver

    ready.parameters.seed = 5
    ready.parameters.variants = 2
    ready.parameters.solver = Solver.HEUN
    ready.parameters.device = Device.CPU
    ready.parameters.leastQuality = 0
    ready.parameters.softMask = True
    run(app, ready)
    assert {variant.seed for variant in ready.logic.results} == {5, 6}
    for variant in ready.logic.results:
        assert variant.softMaskNode is not None
        assert variant.provenance["device"] == "cpu"
        request = variant.provenance["request"]
        assert (request["solver"], request["steps"]) == ("heun", 2)


def test_cancel_leaves_the_scene_as_it_was(app: Any, scene: Any, ready: Any) -> None:
    run(app, ready)  # the model is loaded now
    before = node_ids(scene)
    ready.parameters.steps = 100
    ready.ui.applyButton.click()
    wait_until(app, lambda: ready.ui.progressBar.value > 0)
    ready.ui.applyButton.click()
    assert not ready.ui.applyButton.enabled
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)
    assert node_ids(scene) == before
    assert "Canceled" in ready.ui.statusLabel.text
    assert ready.ui.applyButton.enabled


def test_an_error_is_shown_and_leaves_the_scene_as_it_was(
    app: Any, scene: Any, ready: Any, monkeypatch: pytest.MonkeyPatch, slot_errors: list[BaseException]
) -> None:
    import slicer

    from TumorGenCore.errors import UnsupportedVolumeError

    shown = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    slicer.util.arrayFromVolume(ready.pet)[3, 3, 3] = np.nan
    before = node_ids(scene)
    run(app, ready)
    assert len(shown) == 1
    assert "NaN" in shown[0]
    assert node_ids(scene) == before
    assert "Failed" in ready.ui.statusLabel.text
    assert ready.ui.applyButton.enabled
    assert isinstance(slot_errors.pop(), UnsupportedVolumeError)  # goes on to Slicer's console


def test_closing_the_scene_during_a_run_drops_it(app: Any, scene: Any, ready: Any) -> None:
    ready.parameters.steps = 100
    ready.ui.applyButton.click()
    wait_until(app, lambda: ready.ui.progressBar.value > 0)
    scene.Clear(0)
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0
    assert ready.logic.results == []
    assert not ready.ui.applyButton.enabled


def test_leaving_the_module_during_a_run_keeps_its_result(app: Any, ready: Any) -> None:
    ready.ui.applyButton.click()
    ready.panel.exit()
    wait_until(app, lambda: not ready.panel.runMonitor.isActive)
    ready.panel.enter()
    assert len(ready.logic.results) == 1
    assert ready.ui.applyButton.enabled


# Results


@pytest.fixture
def three(app: Any, ready: Any) -> Any:
    import slicer

    slicer.util.setSliceViewerLayers(background=ready.pet)
    ready.parameters.variants = 3
    ready.parameters.leastQuality = 0
    run(app, ready)
    return ready


def test_selecting_a_row_shows_that_variant(scene: Any, three: Any) -> None:
    for row, variant in enumerate(three.logic.results):
        three.ui.variantsTable.selectRow(row)
        assert shown_volume(scene) is variant.volumeNode
        visible = [bool(v.segmentationNode.GetDisplayVisibility()) for v in three.logic.results]
        assert visible == [other == row for other in range(3)]


def test_the_table_says_what_the_variant_measures(three: Any) -> None:
    for row, variant in zip(rows(three), three.logic.results, strict=True):
        measures = variant.measures
        expected = (measures.volume_ml, measures.suv_max, measures.suv_peak, measures.mtv_ml, measures.tlg)
        assert row[1] == f"{variant.quality.percent}{'' if variant.quality.passes else ' (poor)'}"
        shown = [None if text == "-" else float(text) for text in row[2:]]
        assert shown == [None if np.isnan(value) else pytest.approx(value, abs=0.06) for value in expected]


def test_the_best_tumor_is_on_top_and_its_quality_explains_itself(app: Any, three: Any) -> None:
    run(app, three)  # the tumors of two runs lie in one table
    shown = [int(row[1].removesuffix(" (poor)")) for row in rows(three)]
    assert len(shown) == 6
    assert shown == sorted(shown, reverse=True)
    best = max(three.logic.results, key=lambda variant: variant.quality.total)
    tip = three.ui.variantsTable.item(0, 1).toolTip()
    assert "mask matches the uptake: " in tip
    for reason in best.quality.reasons or ("Nothing is poor.",):
        assert reason in tip


def test_several_variants_are_drawn_until_good_and_a_single_one_is_not(app: Any, ready: Any) -> None:
    """The untrained networks reach no quality of 1, so every redraw is used up."""
    ready.ui.leastQualitySpinBox.value = 100
    run(app, ready)
    assert [variant.seed for variant in ready.logic.results] == [0]
    assert "poor" not in ready.ui.resultWarningsLabel.text
    ready.parameters.variants = 2
    run(app, ready)
    assert len(ready.logic.results) == 3
    assert "4 poor tumors were replaced by new ones" in ready.ui.resultWarningsLabel.text


def test_keep_removes_the_other_variants_of_the_run(app: Any, three: Any) -> None:
    keep = three.logic.results[1]
    three.ui.variantsTable.selectRow(1)
    three.ui.keepButton.click()
    app.processEvents()
    assert three.logic.results == [keep]
    assert [row[0] for row in rows(three)] == [str(keep.seed)]
    assert not three.ui.keepButton.enabled


def test_the_truth_table_has_all_results_and_is_active(app: Any, scene: Any, three: Any) -> None:
    three.ui.truthTableButton.click()
    table = scene.GetNodeByID(app.applicationLogic().GetSelectionNode().GetActiveTableID())
    seeds = table.GetTable().GetColumnByName("seed")
    assert [seeds.GetValue(n) for n in range(3)] == [str(variant.seed) for variant in three.logic.results]
    three.ui.removeLastButton.click()
    app.processEvents()
    assert not three.ui.truthTableButton.enabled and scene.IsNodePresent(table)


def test_remove_takes_the_selected_and_remove_last_the_rest(app: Any, scene: Any, three: Any) -> None:
    gone = three.logic.results[2]
    three.ui.variantsTable.selectRow(2)
    three.ui.removeButton.click()
    app.processEvents()
    assert not scene.IsNodePresent(gone.volumeNode)
    assert not scene.IsNodePresent(gone.segmentationNode)
    assert len(rows(three)) == 2
    three.ui.removeLastButton.click()
    app.processEvents()
    assert three.logic.results == []
    assert rows(three) == []
    assert shown_volume(scene) is three.pet
    assert not three.ui.removeLastButton.enabled


def test_a_node_the_user_deletes_leaves_the_table(app: Any, scene: Any, three: Any) -> None:
    gone, *others = three.logic.results
    scene.RemoveNode(gone.volumeNode)
    wait_until(app, lambda: len(rows(three)) == 2)
    assert [row[0] for row in rows(three)] == [str(variant.seed) for variant in others]


def test_compare_turns_before_and_after_and_ends_on_the_synthetic_volume(app: Any, scene: Any, three: Any) -> None:
    synthetic = three.logic.results[0].volumeNode
    three.ui.variantsTable.selectRow(0)
    three.ui.compareButton.click()
    seen = set()

    def both() -> bool:
        seen.add(shown_volume(scene))
        return len(seen) == 2

    wait_until(app, both, 5.0)
    assert seen == {three.pet, synthetic}
    three.ui.compareButton.click()
    assert shown_volume(scene) is synthetic
    assert three.logic.results[0].segmentationNode.GetDisplayVisibility()


@pytest.mark.parametrize("outline", [True, False])
def test_compare_shows_the_outline_or_nothing_of_the_mask(app: Any, three: Any, outline: bool) -> None:
    mask = three.logic.results[0].segmentationNode
    filled = mask.GetDisplayNode().GetVisibility2DFill()
    three.ui.outlineCheckBox.checked = outline
    three.ui.compareButton.click()
    assert bool(mask.GetDisplayVisibility()) == outline
    assert not mask.GetDisplayNode().GetVisibility2DFill()
    three.ui.outlineCheckBox.checked = not outline
    assert bool(mask.GetDisplayVisibility()) != outline
    three.ui.compareButton.click()
    assert mask.GetDisplayVisibility()
    assert mask.GetDisplayNode().GetVisibility2DFill() == filled


def test_compare_ends_with_what_it_compares(app: Any, scene: Any, three: Any) -> None:
    synthetic = three.logic.results[0]
    three.ui.compareButton.click()
    three.ui.variantsTable.selectRow(1)
    assert not three.ui.compareButton.checked
    assert shown_volume(scene) is three.logic.results[1].volumeNode
    three.ui.compareButton.click()
    scene.RemoveNode(three.pet)
    wait_until(app, lambda: not three.ui.compareButton.checked, 5.0)
    assert not three.ui.compareButton.enabled
    assert scene.IsNodePresent(synthetic.volumeNode)


def test_a_new_run_stops_the_comparison(app: Any, three: Any) -> None:
    three.ui.compareButton.click()
    run(app, three)
    assert not three.ui.compareButton.checked
    assert len(three.logic.results) == 6


# The module


def test_the_phantom_is_sample_data(app: Any, scene: Any) -> None:
    from types import SimpleNamespace

    import SampleData
    import slicer
    import vtk

    import TumorGenSlicer
    from TumorGenSlicerLib.scene.units import unitsOfVolume

    TumorGenSlicer.TumorGenSlicer(SimpleNamespace(path=TumorGenSlicer.__file__))
    app.completeStartup()
    (source,) = slicer.modules.sampleDataSources["TumorGen"]
    assert source.sampleName == "FDG phantom"
    source.customDownloader(source)  # as the button does
    clicked = slicer.util.getNode("FDG phantom")
    assert shown_volume(scene) is clicked
    for _ in range(2):  # The second time, the file is there already.
        loaded = SampleData.downloadSample("FDG phantom")
        assert loaded.GetName() == "FDG phantom" and loaded is not clicked
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(loaded), slicer.util.arrayFromVolume(clicked))
        matrices = [vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()]
        for node, matrix in zip((loaded, clicked), matrices, strict=True):
            node.GetIJKToRASMatrix(matrix)
        np.testing.assert_allclose(*(slicer.util.arrayFromVTKMatrix(matrix) for matrix in matrices), atol=1e-4)
        assert unitsOfVolume(loaded).suv_factor == unitsOfVolume(clicked).suv_factor == 1.0


def test_a_sample_is_not_made_before_somebody_wants_it(app: Any, scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import SampleData
    import slicer

    from TumorGenSlicerLib.scene import sample_data

    monkeypatch.setattr(sample_data, "_phantomFile", lambda: pytest.fail("made"))
    sample_data.registerSampleData("icon.png")
    (source,) = slicer.modules.sampleDataSources["TumorGen"]
    assert str(source) == "FDG phantom"
    assert isinstance(source, SampleData.SampleDataSource)


def test_visits_of_the_module_leave_no_observers_behind(app: Any, scene: Any, ready: Any) -> None:
    parameters, node, observers = ready.parameters, ready.parameters.parameterNode, set()
    add, remove = node.AddObserver, node.RemoveObserver

    def counted(*arguments: Any) -> int:
        observers.add(tag := add(*arguments))
        return int(tag)

    node.AddObserver, node.RemoveObserver = counted, lambda tag: (observers.discard(tag), remove(tag))
    for _ in range(50):
        ready.panel.exit()
        ready.panel.enter()
    assert len(observers) == 1  # the panel's own, instead of the one from before
    assert ready.panel.parameterNode is parameters
    ready.ui.seedSpinBox.value = 33
    assert parameters.seed == 33
    parameters.seed = 44
    assert ready.ui.seedSpinBox.value == 44


def test_widgets_show_the_parameters_of_a_new_node_only(app: Any, scene: Any, ready: Any) -> None:
    old, node = ready.parameters, ready.parameters.parameterNode
    ready.panel.exit()
    scene.RemoveNode(node)
    ready.panel.enter()
    new = ready.panel.parameterNode
    assert new is not old and new.parameterNode is not node
    ready.ui.seedSpinBox.value = 21
    assert (new.seed, old.seed) == (21, 0)


def test_an_unknown_choice_in_a_scene_means_the_default(app: Any, scene: Any, ready: Any) -> None:
    from TumorGenSlicerLib.panel.parameters import Device, Solver, Uptake

    node = ready.parameters.parameterNode
    for name in ("device", "solver", "uptake"):
        node.SetParameter(name, "FROM_A_LATER_VERSION")  # as when a scene is read while the panel is open
    assert (ready.parameters.device, ready.parameters.solver) == (Device.AUTOMATIC, Solver.ADAMS)
    assert ready.parameters.uptake is Uptake.MODEL
    assert ready.ui.solverComboBox.currentText == Solver.ADAMS.label()
    ready.panel.cleanup()
    again = type(ready.parameters)(node)  # and before it is opened
    assert (again.device, again.solver, again.uptake) == (Device.AUTOMATIC, Solver.ADAMS, Uptake.MODEL)
    assert [solver.name for solver in Solver] == ["EULER", "HEUN", "ADAMS"]


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_the_modules_own_test_is_skipped_where_packages_cannot_be_used(
    app: Any, scene: Any, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    import unittest

    import TumorGenSlicer
    from TumorGenSlicerLib.panel import module_test
    from TumorGenSlicerLib.run.packages import DependencyError

    def fail() -> None:
        raise DependencyError("torch: installed only in part.")

    if state == "missing":
        monkeypatch.setattr(module_test, "missingPackages", lambda: ["torch", "monai"])
    else:
        monkeypatch.setattr(module_test, "checkPackages", fail)
    monkeypatch.setattr(app, "isTesting", True)
    result = unittest.TestResult()
    TumorGenSlicer.TumorGenSlicerTest("test_selfTest").run(result)
    ((_, reason),) = result.skipped
    assert reason == ("Not installed: torch, monai." if state == "missing" else "torch: installed only in part.")


def test_the_modules_own_test_passes(app: Any, scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real tumor of the shipped model in the phantom, in testing mode."""
    import TumorGenSlicer

    monkeypatch.setattr(app, "isTesting", True)
    test = TumorGenSlicer.TumorGenSlicerTest()
    test.setUp()
    test.test_selfTest()
