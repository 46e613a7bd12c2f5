"""The panel's self-test, pressed as a user presses it; the stand-in's file dialog answers as PythonQt's does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_panel import node_ids, shown_volume, wait_until

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")


@pytest.fixture
def quick(ready: Any, tiny_bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A panel whose self-test is quick, and whose file dialog takes ``path``."""
    import qt

    from TumorGenSlicerLib.run.self_test import SelfTest

    asked: list[str] = []
    case = SimpleNamespace(**vars(ready), path=str(tmp_path / "report"), asked=asked, options=[])

    def start(**options: Any) -> SelfTest:
        case.options.append(options)
        return SelfTest(spacingMm=(10.0, 10.0, 10.0), steps=1, model=str(tiny_bundle_folder), **options)

    def answer(_parent: Any, _caption: str, proposed: str, _filter: str) -> str:
        asked.append(proposed)
        return case.path

    monkeypatch.setattr(ready.logic, "startSelfTest", start)
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", answer)
    return case


def test_the_button_writes_a_report_and_leaves_the_scene_as_it_was(app: Any, scene: Any, quick: Any) -> None:
    scene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(quick.pet.GetID())
    before, shown = node_ids(scene), shown_volume(scene)
    values = set()
    quick.ui.selfTestButton.click()
    assert not quick.ui.applyButton.enabled
    assert quick.ui.selfTestButton.text == "Cancel self-test"

    def finished() -> bool:
        values.add(quick.ui.progressBar.value)
        return not quick.panel.selfTest.isActive

    wait_until(app, finished)
    text = Path(f"{quick.path}.md").read_text(encoding="utf-8")
    assert " 0 failed" in text
    assert quick.asked[0].endswith(".md")
    assert "0 failed" in quick.ui.statusLabel.text
    assert f"{quick.path}.md" in quick.ui.statusLabel.text
    assert "send it to the TumorGen developers" in quick.ui.statusLabel.text
    assert len(values) > 10
    assert node_ids(scene) == before
    assert shown_volume(scene) is shown
    assert quick.ui.selfTestButton.text == "Self-test..."
    assert quick.ui.applyButton.enabled and not quick.ui.progressBar.visible
    assert (quick.parameters.inputVolume, quick.logic.results) == (quick.pet, [])
    assert quick.options == [{"device": "auto"}]


def test_it_can_be_cancelled(app: Any, scene: Any, quick: Any) -> None:
    before = node_ids(scene)
    quick.ui.selfTestButton.click()
    wait_until(app, lambda: "full insertion" in quick.ui.statusLabel.text)
    quick.ui.selfTestButton.click()
    assert not quick.ui.selfTestButton.enabled
    wait_until(app, lambda: not quick.panel.selfTest.isActive)
    assert "canceled" in quick.ui.statusLabel.text
    assert node_ids(scene) == before
    assert quick.ui.selfTestButton.enabled and quick.ui.applyButton.enabled
    assert not Path(f"{quick.path}.md").exists()


def test_who_gives_no_file_starts_nothing(scene: Any, quick: Any) -> None:
    quick.path = ""
    before = node_ids(scene)
    quick.ui.selfTestButton.click()
    assert not quick.panel.selfTest.isActive
    assert quick.ui.applyButton.enabled
    assert node_ids(scene) == before


def test_a_run_and_a_self_test_do_not_go_together(app: Any, quick: Any) -> None:
    quick.ui.applyButton.click()
    assert not quick.ui.selfTestButton.enabled
    wait_until(app, lambda: not quick.panel.runMonitor.isActive)
    assert quick.ui.selfTestButton.enabled


def test_a_closed_scene_ends_it(app: Any, scene: Any, quick: Any) -> None:
    quick.ui.selfTestButton.click()
    wait_until(app, lambda: "quick insertion" in quick.ui.statusLabel.text)
    scene.Clear(0)
    assert not quick.panel.selfTest.isActive
    app.processEvents()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_a_preview_makes_room_for_it_and_stays_away_until_something_is_changed(
    app: Any, scene: Any, quick: Any
) -> None:
    quick.ui.livePreviewCheckBox.click()
    wait_until(app, lambda: scene.GetFirstNodeByName("Tumor preview") is not None)
    quick.ui.selfTestButton.click()
    assert scene.GetFirstNodeByName("Tumor preview") is None
    wait_until(app, lambda: "phantom" in quick.ui.statusLabel.text)
    quick.ui.selfTestButton.click()
    wait_until(app, lambda: not quick.panel.selfTest.isActive)
    assert "canceled" in quick.ui.statusLabel.text


def test_a_report_that_cannot_be_written_is_told(
    app: Any, quick: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot_errors: list[BaseException]
) -> None:
    import slicer

    from TumorGenSlicerLib.run import self_test

    (tmp_path / "file").write_text("")
    quick.path = str(tmp_path / "file" / "report.md")
    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: shown.append(text))
    monkeypatch.setattr(self_test, "missingPackages", lambda: ["torch"])  # so that it is over at once
    quick.ui.selfTestButton.click()
    wait_until(app, lambda: not quick.panel.selfTest.isActive)
    assert "could not be written" in shown[0]
    assert isinstance(slot_errors.pop(), OSError)
    assert "not written" in quick.ui.statusLabel.text


def test_the_console_has_it_too(
    quick: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from TumorGenSlicerLib.run import self_test

    monkeypatch.setattr(self_test, "missingPackages", lambda: ["torch"])
    path = quick.logic.selfTest(tmp_path / "console.md", device="cpu")
    assert path == str(tmp_path / "console.md")
    assert "| **failed** |" in Path(path).read_text(encoding="utf-8")
    out = capsys.readouterr().out
    assert "failed: packages" in out
    assert "1 failed" in out
