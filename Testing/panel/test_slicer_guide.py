"""The Python of docs/slicer.md and docs/first-run.md runs as it stands, in the real scene, with the shipped model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from guides import REPOSITORY, Block, blocks

pytestmark = pytest.mark.slow


def python_of(page: str) -> list[Block]:
    """The Python blocks of a page in docs/."""
    return [block for block in blocks(REPOSITORY / "docs" / page) if block.language == "python"]


def run(block: Block, page: str, names: dict[str, Any]) -> None:
    """Runs a block as if it were typed into the Python console."""
    exec(compile(block.text, f"{page}:{block.line}", "exec"), names)


@pytest.fixture
def names(app: Any, scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the console knows, after a click on the sample data."""
    import slicer

    from TumorGenSlicerLib.scene.sample_data import addPhantom

    monkeypatch.chdir(tmp_path)
    assert addPhantom().GetName() == "FDG phantom"
    return {"slicer": slicer}


def test_the_slicer_guide_runs(names: dict[str, Any], scene: Any) -> None:
    for block in python_of("slicer.md"):
        run(block, "slicer.md", names)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1 + 2 + 3
    assert names["variant"].measures.suv_max > 0
    names["logic"].shutdown()


def test_the_first_run_inserts_a_tumor_into_the_box_of_the_panel(names: dict[str, Any], capsys: Any) -> None:
    from TumorGenSlicer import TumorGenSlicerLogic

    TumorGenSlicerLogic().placeDefaultBox(names["slicer"].util.getNode("FDG phantom"), (78, -20, 465))
    insertion, _ = python_of("first-run.md")
    run(insertion, "first-run.md", names)
    assert capsys.readouterr().out.splitlines()[-1] == "FDG phantom + tumor (seed 7)"


def test_the_first_runs_self_test_passes(
    names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(names["slicer"].app, "defaultScenePath", str(tmp_path), raising=False)
    _, selfTest = python_of("first-run.md")
    run(selfTest, "first-run.md", names)
    report = Path(capsys.readouterr().out.splitlines()[-1])
    assert report.parent == tmp_path
    assert "| scene as before | passed |" in report.read_text() and "**failed**" not in report.read_text()
