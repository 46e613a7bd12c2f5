"""The button that saves a result as a DICOM study, pressed as a user presses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_panel import run

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")
pytest.importorskip("highdicom", reason="needs highdicom")


def test_the_button_saves_the_selected_result(
    app: Any, ready: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot_errors: list[BaseException]
) -> None:
    import qt
    import slicer

    assert not ready.ui.dicomButton.enabled
    ready.parameters.leastQuality = 0
    run(app, ready)
    answers = ["", str(tmp_path), str(tmp_path)]
    shown: list[str] = []
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *_, **__: shown.append(text))
    ready.ui.dicomButton.click()
    assert not list(tmp_path.iterdir())
    ready.ui.dicomButton.click()
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert {path.name for path in folder.iterdir()} == {"pet", "seg.dcm", "rtstruct.dcm"}
    assert str(folder) in ready.ui.statusLabel.text and "no weight" in ready.ui.statusLabel.text
    assert not shown
    ready.ui.dicomButton.click()  # the same folder again
    assert "not empty" in shown[0]
    slot_errors.clear()  # the stand-in of Slicer's error window raises it again
