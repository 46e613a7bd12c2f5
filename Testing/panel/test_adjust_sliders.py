"""The sliders below the table change uptake and mask of the selected tumor in the scene at once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from test_panel import rows, run, wait_until

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


@pytest.fixture
def made(app: Any, ready: Any) -> Any:
    """A tumor of the shipped model, with its soft mask: untrained networks add next to no uptake."""
    ready.parameters.model, ready.parameters.steps = "pet-fdg-v2-4step", 2
    ready.parameters.fillPercent, ready.parameters.softMask = 15.0, True
    run(app, ready)
    (ready.variant,) = ready.logic.results
    return ready


def voxels(node: Any) -> Any:
    import slicer

    return slicer.util.arrayFromVolume(node)


def mask(variant: Any) -> Any:
    """The mask on the volume's grid, by Slicer's own export."""
    import slicer

    segment = variant.segmentationNode.GetSegmentation().GetNthSegmentID(0)
    return slicer.util.arrayFromSegmentBinaryLabelmap(variant.segmentationNode, segment, variant.volumeNode) > 0


def surface_points(variant: Any) -> int:
    segment = variant.segmentationNode.GetSegmentation().GetNthSegmentID(0)
    return int(variant.segmentationNode.GetClosedSurfaceInternalRepresentation(segment).GetNumberOfPoints())


def test_the_sliders_show_the_selected_tumor(made: Any) -> None:
    assert made.ui.shownSuvSlider.enabled and made.ui.shownMaskSlider.enabled
    assert made.ui.shownSuvSlider.value == pytest.approx(made.variant.measures.suv_max, abs=0.051)
    assert made.ui.shownMaskSlider.value == 50


def test_the_uptake_changes_inside_the_box_only_and_everything_follows(app: Any, scene: Any, made: Any) -> None:
    nodes, before = scene.GetNumberOfNodes(), voxels(made.variant.volumeNode).copy()
    made.ui.shownSuvSlider.value = 5.0
    wait_until(app, lambda: not np.array_equal(voxels(made.variant.volumeNode), before))
    assert scene.GetNumberOfNodes() == nodes
    after = voxels(made.variant.volumeNode)
    assert after[mask(made.variant)].max() == pytest.approx(5.0, rel=1e-3)
    k, j, i = np.indices(after.shape)
    # Voxel centers, mm from the center of the box, which has 40 mm and lies at the origin.
    outside = np.max([np.abs(4.0 * axis - 38.0) for axis in (k, j, i)], axis=0) > 20
    np.testing.assert_array_equal(after[outside], voxels(made.pet)[outside])
    (row,) = rows(made)
    assert float(row[3]) == pytest.approx(5.0, abs=0.06)
    assert float(row[2]) == pytest.approx(mask(made.variant).sum() * 0.064, abs=0.06)
    from TumorGenSlicerLib.scene.result_nodes import storedProvenance

    for node in made.variant.nodes:
        (record,) = storedProvenance(node)["tumors"]
        assert record["adjusted"] == {"suv_max": 5.0}


def test_the_threshold_changes_the_mask_and_not_the_image(app: Any, made: Any) -> None:
    image, soft, small = voxels(made.variant.volumeNode).copy(), voxels(made.variant.softMaskNode).copy(), None
    sizes, surfaces = [mask(made.variant).sum()], [surface_points(made.variant)]
    for percent in (20, 80):
        made.ui.shownMaskSlider.value = float(percent)
        wait_until(app, lambda p=percent: made.variant.tumor.adjustment.mask_threshold == p / 100)
        small = mask(made.variant)
        assert not (small & ~(soft > percent / 100)).any()
        sizes.append(small.sum())
        surfaces.append(surface_points(made.variant))
    np.testing.assert_array_equal(voxels(made.variant.volumeNode), image)
    assert sizes[1] > sizes[0] > sizes[2] > 0
    assert len(set(surfaces)) == 3


def test_one_drag_is_one_change(app: Any, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    changes: list[dict[str, float]] = []
    change = made.logic.changeVariant
    monkeypatch.setattr(made.logic, "changeVariant", lambda v, **c: (changes.append(c), change(v, **c)))
    for value in (3.0, 3.5, 4.0):
        made.ui.shownSuvSlider.value = value
    wait_until(app, lambda: bool(changes))
    assert changes == [{"suvMax": 4.0}]
    assert made.ui.shownSuvSlider.value == 4.0


def test_older_results_rest_and_several_boxes_are_refused(app: Any, made: Any) -> None:
    from TumorGenCore.errors import InvalidRequestError

    old = made.variant
    made.parameters.seed = 3
    run(app, made)
    made.ui.variantsTable.selectRow([row[0] for row in rows(made)].index(str(old.seed)))
    assert not made.ui.shownSuvSlider.enabled and not made.ui.shownMaskSlider.enabled
    with pytest.raises(InvalidRequestError, match="of the last run"):
        made.logic.changeVariant(old, suvMax=5.0)
    both = made.logic.insertTumors(made.pet, [made.parameters.box] * 2, model="pet-fdg-v2-4step")
    with pytest.raises(InvalidRequestError, match="single tumors"):
        made.logic.changeVariant(both[0], suvMax=5.0)


def test_an_edited_mask_is_not_overwritten(made: Any) -> None:
    from TumorGenCore.errors import InvalidRequestError

    before = voxels(made.variant.volumeNode).copy()
    made.variant.segmentationNode.GetSegmentation().AddEmptySegment("own")
    with pytest.raises(InvalidRequestError, match="edited since the run"):
        made.logic.changeVariant(made.variant, suvMax=5.0)
    np.testing.assert_array_equal(voxels(made.variant.volumeNode), before)


def test_what_the_run_said_stays_after_a_change(made: Any) -> None:
    made.variant.warnings = (*made.variant.warnings, "1 poor tumor was replaced by a new one.")
    made.logic.changeVariant(made.variant, maskThreshold=0.4)
    assert made.variant.warnings[-1] == "1 poor tumor was replaced by a new one."


def test_a_change_that_cannot_be_made_is_said(app: Any, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made.ui.shownSuvSlider.value = 0.1
    wait_until(app, lambda: "instead of the requested 0.1" in made.ui.resultWarningsLabel.text)


def test_undo_removes_a_changed_result(app: Any, scene: Any, made: Any) -> None:
    made.ui.shownSuvSlider.value = 5.0
    wait_until(app, lambda: made.variant.tumor.adjustment.suv_max == 5.0)
    made.ui.removeLastButton.click()
    app.processEvents()
    assert rows(made) == []
    assert not made.ui.shownSuvSlider.enabled
    assert not any(scene.IsNodePresent(node) for node in made.variant.nodes)


def test_a_change_is_quick(made: Any) -> None:
    start = time.perf_counter()
    made.logic.changeVariant(made.variant, suvMax=5.0)
    assert time.perf_counter() - start < 2.0
