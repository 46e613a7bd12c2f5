"""Reproduce: the panel takes the settings of a result, of a node of a saved scene or of a file, and makes it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_panel import run

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


@pytest.fixture
def made(app: Any, ready: Any) -> Any:
    """A tumor with many settings; then the panel gets others."""
    from TumorGenSlicerLib.panel.parameters import Solver, Uptake

    parameters = ready.parameters
    parameters.box.SetSize(36.0, 32.0, 40.0)
    parameters.seed, parameters.steps, parameters.solver = 5, 3, Solver.HEUN
    parameters.uptake, parameters.uptakeSuv, parameters.suvFactor = Uptake.MEAN, 3.25, 0.5
    run(app, ready)
    (ready.variant,) = ready.logic.results
    ready.box = parameters.box
    parameters.seed, parameters.steps, parameters.solver = 9, 1, Solver.EULER
    parameters.uptake, parameters.suvFactor, parameters.variants = Uptake.MODEL, 0.0, 3
    return ready


def voxels(variant: Any) -> Any:
    import slicer

    return slicer.util.arrayFromVolume(variant.volumeNode)


def settings(ready: Any) -> tuple[Any, ...]:
    p = ready.parameters
    return p.inputVolume, p.seed, p.variants, p.steps, p.solver.value, p.uptake.value, p.uptakeSuv, p.suvFactor, p.model


def expected(ready: Any, model: str) -> tuple[Any, ...]:
    return ready.pet, 5, 1, 3, "heun", "suv_mean", 3.25, 0.5, model


def test_a_selected_result_is_made_again_to_the_last_voxel(app: Any, made: Any) -> None:
    model = made.parameters.model
    made.parameters.inputVolume = None
    made.ui.reproduceButton.click()
    assert settings(made) == expected(made, model)
    assert made.parameters.box is made.box  # The same box is used again.
    assert made.ui.statusLabel.text == "The panel has the settings of the tumor of seed 5.\nApply makes it again."
    run(app, made)
    again = made.logic.results[-1]
    assert again is not made.variant
    np.testing.assert_array_equal(voxels(again), voxels(made.variant))


def test_a_node_of_a_saved_scene_and_its_box_come_back(app: Any, scene: Any, made: Any) -> None:
    """The panel of another session does not know the result; only the node has its provenance."""
    import slicer

    kept = slicer.util.addVolumeFromArray(voxels(made.variant), name="from a scene")
    for name in made.variant.volumeNode.GetAttributeNames():
        kept.SetAttribute(name, made.variant.volumeNode.GetAttribute(name))
    first = voxels(made.variant).copy()
    made.logic.removeVariant(made.variant)
    app.processEvents()
    scene.RemoveNode(made.box)
    slicer.util.setSliceViewerLayers(background=kept)
    made.ui.reproduceButton.click()
    assert settings(made) == expected(made, made.parameters.model)
    assert tuple(made.parameters.box.GetSize()) == pytest.approx((36, 32, 40))
    run(app, made)
    np.testing.assert_allclose(voxels(made.logic.results[-1]), first, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("asked", "remark"),
    [
        ({"suv_peak": 6.5, "volume_ml": 12.25}, []),
        ({"to_background": 4.5, "diameter_mm": 21.5}, []),
        ({"diameter_mm": 400.0}, ["The panel takes diameter 150 instead of 400."]),
        (
            {"to_reference": 3.0, "reference_suv": 2.0, "reference": "liver"},
            [
                "The reference region in the panel is not that of the tumor. The panel takes the SUVmean that the "
                "ratio means, 6."
            ],
        ),
    ],
)
def test_the_targets_of_a_request_are_taken(ready: Any, asked: dict, remark: list[str]) -> None:
    from TumorGenCore.insertion.request import TumorRequest
    from TumorGenSlicerLib.panel.parameters import takeRequest, tumorRequest

    request = TumorRequest(steps=3, solver="euler", **asked)
    assert takeRequest(ready.parameters, request, 7) == remark
    if not remark:
        assert tumorRequest(ready.parameters) == request
    elif "to_reference" in asked:
        assert tumorRequest(ready.parameters).suv_mean == 6


def test_a_file_of_another_scan_model_and_version_says_so(
    app: Any, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt
    import slicer

    record = {**made.variant.provenance, "bundle_version": "0.0.1", "software_version": "0.2"}
    record["request"] = {**record["request"], "fill": 0.12345}
    record["tumors"] = [{**record["tumors"][0], "seed": 2**40}, record["tumors"][0]]
    path = tmp_path / "a.provenance.json"
    path.write_text(json.dumps(record))
    other = slicer.util.addVolumeFromArray(np.ones((20, 20, 20), np.float32), name="other scan")
    made.parameters.inputVolume = other
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))
    made.ui.reproduceFileButton.click()
    assert made.parameters.inputVolume is other
    name = Path(made.parameters.model).name
    software = made.variant.provenance["software_version"]
    version = made.variant.provenance["bundle_version"]
    assert made.ui.statusLabel.text.splitlines() == [
        f"The panel has the settings of the tumor of seed {2**40}.",
        '"other scan" is not the scan in which the tumor was made: voxels, pixel type or geometry differ.',
        f"The model {name} has version {version} here, and had 0.0.1 then.",
        f"TumorGen is {software} here, and was 0.2 then.",
        "The result has tumors in 2 boxes; this is the first one.",
        f"The panel takes seed {2**31 - 1} instead of {2**40}.",
        "The panel takes fill 0.123 instead of 0.12345.",
    ]


def test_a_model_that_is_not_here_is_said_and_not_taken(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    path = tmp_path / "a.provenance.json"
    path.write_text(json.dumps({**made.variant.provenance, "bundle_name": "ours", "bundle_hash": "0"}))
    model = made.parameters.model
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))
    made.ui.reproduceFileButton.click()
    assert made.parameters.model == model
    assert "The model ours is not on this computer." in made.ui.statusLabel.text


def test_the_same_version_with_other_weights_is_said(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qt

    path = tmp_path / "a.provenance.json"
    path.write_text(json.dumps({**made.variant.provenance, "bundle_hash": "0"}))
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(path))
    made.ui.reproduceFileButton.click()
    assert "has other weights or settings here than then." in made.ui.statusLabel.text


def test_without_a_result_and_with_a_wrong_file_the_panel_says_what_to_do(
    ready: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot_errors: list[BaseException]
) -> None:
    import qt
    import slicer

    said: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: said.append(text))
    before = settings(ready)
    ready.ui.reproduceButton.click()
    assert "Select a row of the table" in said[0]
    (tmp_path / "no.json").write_text("{}")
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileName", lambda *_: str(tmp_path / "no.json"))
    ready.ui.reproduceFileButton.click()
    assert "is not the provenance of a tumor" in said[1]
    assert settings(ready) == before
    slot_errors.clear()
