"""Slicer's own views around the panel: it receives clicks in a slice view, and the views draw its results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_panel import run, wait_until

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


@pytest.fixture
def axial(app: Any, scene: Any, pet: Any) -> Iterator[Any]:
    """The red slice view, 100 mm across, around the origin."""
    from views import SliceView

    view = SliceView("Axial", "Red", app.applicationLogic(), (200, 200))
    view.look_at(pet, (0.0, 0.0, 0.0), 100.0)
    yield view
    view.close()


def test_a_click_places_a_box_where_it_is_seen(app: Any, scene: Any, panel: Any, pet: Any, axial: Any) -> None:
    panel.parameterNode.inputVolume = pet
    panel.ui.placeBoxButton.click()
    axial.click(120, 80)
    wait_until(app, lambda: panel.parameterNode.box is not None, 5.0)
    seen = axial.node.GetXYToRAS().MultiplyPoint((120.0, 80.0, 0.0, 1.0))[:3]
    assert tuple(panel.parameterNode.box.GetCenterWorld()) == pytest.approx(seen, abs=1e-6)
    assert not panel.ui.placeBoxButton.checked
    axial.click(60, 60)  # one click is one box
    app.processEvents()
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == 1
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0


def test_a_right_click_gives_placing_up(app: Any, scene: Any, panel: Any, pet: Any, axial: Any) -> None:
    panel.parameterNode.inputVolume = pet
    panel.ui.placeBoxButton.click()
    assert panel.ui.placeBoxButton.checked
    axial.click(120, 80, button="Right")
    wait_until(app, lambda: not panel.ui.placeBoxButton.checked, 5.0)
    assert panel.parameterNode.box is None
    assert scene.GetNumberOfNodesByClass("vtkMRMLMarkupsFiducialNode") == 0


def test_box_tumor_and_mask_are_drawn(app: Any, ready: Any, axial: Any) -> None:
    """The view shows each change, and the image differs only inside the box."""
    box = ready.parameters.box.GetDisplayNode()
    box.SetFillVisibility(False)
    with_box = axial.grab().astype(int)
    box.SetVisibility(False)
    before = axial.grab().astype(int)
    across = np.argwhere(np.any(with_box != before, axis=-1))
    assert np.ptp(across, axis=0) == pytest.approx([80, 80], abs=6)  # 40 mm at 0.5 mm a pixel

    run(app, ready)
    mask = ready.logic.results[0].segmentationNode
    mask.SetDisplayVisibility(False)
    after = axial.grab().astype(int)
    changed = np.argwhere(np.any(after != before, axis=-1))
    assert len(changed) > 100
    # The reslicing interpolates: a voxel inside shows half a voxel (4 mm) beyond the box.
    assert np.abs(changed - 99.5).max() <= 40 + 8
    assert ready.logic.results[0].measures.volume_ml > 0
    mask.SetDisplayVisibility(True)
    assert np.any(axial.grab() != after)


def test_a_live_preview_is_drawn_and_leaves_the_view_as_it_was(
    app: Any, scene: Any, ready: Any, axial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from TumorGenSlicerLib.run import live_preview

    monkeypatch.setattr(live_preview, "LIMIT_SECONDS", 1e6)  # The test machine may be busy.
    ready.parameters.box.GetDisplayNode().SetVisibility(False)
    before = axial.grab().astype(int)
    ready.ui.livePreviewCheckBox.click()
    wait_until(app, lambda: scene.GetFirstNodeByName("Tumor preview") is not None)
    mask = scene.GetFirstNodeByName("Tumor preview mask")
    outlined = axial.grab().astype(int)
    mask.SetDisplayVisibility(False)
    image = axial.grab().astype(int)
    assert np.any(outlined != image)
    changed = np.argwhere(np.any(image != before, axis=-1))
    assert len(changed) > 100
    assert np.abs(changed - 99.5).max() <= 40 + 8  # see above; the rest of the view is as before
    mask.SetDisplayVisibility(True)
    ready.parameters.box.SetCenterWorld(-8.0, 6.0, 0.0)
    wait_until(app, lambda: np.any(axial.grab() != outlined))  # the same nodes, drawn anew
    ready.ui.livePreviewCheckBox.click()
    np.testing.assert_array_equal(axial.grab(), before)
