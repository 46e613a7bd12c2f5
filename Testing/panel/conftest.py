"""Fixtures of the panel's tests: the real scene and engine, Qt's and Slicer's GUI classes from the stand-ins."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT / "TumorGenSlicer"), str(_ROOT / "Testing" / "slicer")]


@pytest.fixture(scope="session")
def app() -> Any:
    """``slicer.app`` and all that the module's file imports."""
    pytest.importorskip("slicer", reason="needs slicer-core")
    pytest.importorskip("PySide6", reason="needs PySide6-Essentials")
    import slicer_stand_in
    from slicer_boot import boot

    return slicer_stand_in.install(boot())


@pytest.fixture(autouse=True)
def slot_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """Errors of slots and observers, which Qt and VTK only print. A test that expects errors removes them."""
    errors: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: errors.append(error))
    yield errors
    assert errors == []


@pytest.fixture
def scene(app: Any) -> Iterator[Any]:
    """Slicer's scene with the three slice views that every Slicer has."""
    import slicer
    from open_panel import add_slice_views

    slicer.mrmlScene.Clear(0)
    add_slice_views()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def panel(app: Any, scene: Any) -> Iterator[Any]:
    """The module's panel as Slicer opens it."""
    from open_panel import open_panel

    made = open_panel()
    yield made
    made.cleanup()
    made.ui.TumorGenSlicer.setMRMLScene(None)
    made.parent.deleteLater()
    app.processEvents()


@pytest.fixture
def pet(scene: Any) -> Any:
    """A volume of noise: 20 voxels of 4 mm along each axis around the origin."""
    import numpy as np
    import slicer

    values = np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 20)).astype(np.float32)
    matrix = np.diag([-4.0, -4.0, 4.0, 1.0])
    matrix[:3, 3] = [38.0, 38.0, -38.0]
    return slicer.util.addVolumeFromArray(values, matrix, "PET")


@pytest.fixture
def ready(panel: Any, pet: Any, tiny_bundle_folder: Path) -> Any:
    """A panel with a volume, a box and quick networks: Apply is all that is left to do."""
    parameters = panel.parameterNode
    parameters.inputVolume = pet
    parameters.model = str(tiny_bundle_folder)
    parameters.steps = 2
    parameters.suvFactor = 1.0
    panel.onBoxPlaced([0.0, 0.0, 0.0])
    return SimpleNamespace(panel=panel, ui=panel.ui, parameters=parameters, pet=pet, logic=panel.logic)
