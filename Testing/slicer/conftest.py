"""Fixtures of the scene logic's tests: the real MRML scene, and the logic on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "TumorGenSlicer"))


@pytest.fixture
def scene() -> Iterator[Any]:
    """Slicer's scene with only the nodes of a new scene."""
    slicer_boot = pytest.importorskip("slicer_boot", reason="needs slicer-core")
    slicer_boot.boot()
    import slicer

    slicer.mrmlScene.Clear(0)
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear(0)


@pytest.fixture
def logic(scene: Any) -> Iterator[Any]:
    from TumorGenSlicerLib.run.logic import InsertionLogic

    logic = InsertionLogic(scene)
    yield logic
    logic.shutdown()


@pytest.fixture
def hierarchy(scene: Any) -> Iterator[Any]:
    """The subject hierarchy. Slicer's plug-ins make and remove its items; here observers do that."""
    import slicer
    import vtk

    node = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def makeItem(caller: Any, event: str, added: Any) -> None:
        if added.IsA("vtkMRMLDisplayableNode"):
            node.CreateItem(node.GetSceneItemID(), added)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def removeItem(caller: Any, event: str, removed: Any) -> None:
        if node.GetItemByDataNode(removed):
            node.RemoveItem(node.GetItemByDataNode(removed), False, False)

    tags = [
        scene.AddObserver(scene.NodeAddedEvent, makeItem),
        scene.AddObserver(scene.NodeAboutToBeRemovedEvent, removeItem),
    ]
    yield node
    for tag in tags:
        scene.RemoveObserver(tag)


@pytest.fixture(scope="session")
def tiny(tiny_bundle_folder: Path) -> dict[str, Any]:
    """Arguments of a quick run with small untrained networks, which change every voxel that they may change."""
    from TumorGenCore.insertion.request import TumorRequest

    return {"model": str(tiny_bundle_folder), "device": "cpu", "request": TumorRequest(steps=1), "suvFactor": 1.0}
