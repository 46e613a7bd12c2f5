"""The Python of docs/slicer.md and docs/first-run.md runs as it stands, in the real scene, with the shipped model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from guides import REPOSITORY, Block, blocks

from TumorGenCore.phantom.phantom import make_phantom
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.markups import write_box
from TumorGenCore.volumes.write import write_volume

pytestmark = pytest.mark.slow


def python_of(page: str) -> list[Block]:
    """The Python blocks of a page in docs/."""
    return [block for block in blocks(REPOSITORY / "docs" / page) if block.language == "python"]


def run(block: Block, page: str, names: dict[str, Any]) -> None:
    """Runs a block as if it were typed into the Python console."""
    exec(compile(block.text, f"{page}:{block.line}", "exec"), names)


def ids(scene: Any) -> list[str]:
    """IDs of all nodes but the subject hierarchy, which the scene makes when it is first asked for."""
    return [node.GetID() for node in scene.GetNodes() if not node.IsA("vtkMRMLSubjectHierarchyNode")]


def segmented(scene: Any, pet: Any, name: str) -> Any:
    """A segmentation with one segment: a block of the phantom's liver."""
    import slicer

    labels = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Organs")
    inside = np.zeros(slicer.util.arrayFromVolume(pet).shape, np.uint8)
    k, j, i = (n // 2 for n in inside.shape)
    inside[k - 5 : k + 5, j - 5 : j + 5, i - 5 : i + 5] = 1
    slicer.util.updateVolumeFromArray(labels, inside)
    labels.CopyOrientation(pet)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Organs")
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, segmentation)
    segmentation.GetSegmentation().GetNthSegment(0).SetName(name)
    return segmentation


@pytest.fixture
def names(app: Any, scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the console knows, after a click on the sample data."""
    import slicer

    from TumorGenSlicerLib.scene.sample_data import addPhantom

    monkeypatch.chdir(tmp_path)
    assert addPhantom().GetName() == "FDG phantom"
    return {"slicer": slicer}


def test_the_slicer_guide_inserts_into_nodes(names: dict[str, Any], scene: Any) -> None:
    insertion, reference, _ = python_of("slicer.md")
    run(insertion, "slicer.md", names)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1 + 3 + 3
    assert names["variant"].measures.suv_max > 0
    run(reference, "slicer.md", names)
    liver = segmented(scene, names["pet"], "liver")
    names["threeTimesTheLiver"](liver)
    found = names["logic"].results[-1].measures.suv_mean
    assert found == pytest.approx(3 * names["logic"].referenceSuv(names["pet"], liver, "liver"), rel=0.05)
    names["logic"].shutdown()


def test_the_slicer_guide_inserts_into_a_folder_and_names_the_file_that_it_leaves_out(
    names: dict[str, Any], scene: Any, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "scans").mkdir()
    for name in ("a", "b", "c"):
        write_volume(make_phantom(0, (8.0, 8.0, 8.0)), tmp_path / "scans" / f"{name}.nii.gz")
        write_box(Box.from_ras((78, -20, 465), (40, 40, 40)), tmp_path / "scans" / f"{name}.mrk.json")
    (tmp_path / "scans" / "b.nii.gz").write_bytes(b"no image")
    before = ids(scene)
    *_, batch = python_of("slicer.md")
    run(batch, "slicer.md", names)
    said = capsys.readouterr()
    written = {path.name for path in (tmp_path / "results").iterdir()}
    assert written == {
        f"{name}_seed0_{kind}"
        for name in ("a", "c")
        for kind in ("image.nrrd", "mask.seg.nrrd", "image.provenance.json", "mask.provenance.json")
    }
    lines = said.out.splitlines()
    assert [line for line in lines if line.startswith("Scan ")] == [
        f"Scan {number} of 3: {name}.nii.gz" for number, name in enumerate("abc", 1)
    ]
    assert any(line.endswith(" steps") for line in lines[: lines.index("Scan 2 of 3: b.nii.gz")])
    assert lines[-1] == "Left out: b.nii.gz"
    assert re.search(r"^insert_tumor: .*b\.nii\.gz", said.err, re.MULTILINE)
    assert ids(scene) == before


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
