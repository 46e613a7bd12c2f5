"""The Python of docs/slicer.md runs as it stands, in Slicer's real scene, with the shipped model."""

from __future__ import annotations

from typing import Any

import pytest
from guides import REPOSITORY, blocks


@pytest.mark.slow
def test_the_python_blocks_of_the_guide_run(app: Any, scene: Any) -> None:
    import slicer

    from TumorGenSlicerLib.scene.sample_data import addPhantom

    phantom = addPhantom()
    assert phantom.GetName() == "FDG phantom"
    found = [block for block in blocks(REPOSITORY / "docs" / "slicer.md") if block.language == "python"]
    names: dict[str, Any] = {"slicer": slicer}
    for block in found:
        exec(compile(block.text, f"slicer.md:{block.line}", "exec"), names)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 1 + 2 + 3
    assert names["variant"].measures.suv_max > 0
    names["logic"].shutdown()
