"""The preview in the scene: a hidden volume and a hidden mask that the views show instead of the user's volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer
from numpy.typing import NDArray

from TumorGenCore.insertion.segment import Segment
from TumorGenSlicerLib.scene.geometry import ijkToRas, voxelArray
from TumorGenSlicerLib.scene.result_nodes import InputSnapshot, Variant, copyDisplay, newSegment, removeNodes, setVoxels

__all__ = ["PreviewNodes", "PreviewVoxels"]

_LAYERS = ("Background", "Foreground")


@dataclass(frozen=True)
class PreviewVoxels:
    """Result of a preview: the voxels that its box can change.

    Args:
        voxels: voxels with the tumor, (k, j, i), in the volume's pixel type.
        segment: the tumor's mask on the same voxels.
        seconds: duration of the preview, without loading the model.
    """

    voxels: NDArray
    segment: Segment
    seconds: float


class PreviewNodes:
    """Shows one preview at a time, and restores scene and views when it removes it. Main thread only.

    The volume is a copy of the user's volume, made once. A preview first restores the voxels of the one before, then
    writes only the voxels that its box can change. Slicer neither lists the nodes in other modules, nor saves them, nor
    counts them as an undo step.

    Args:
        scene: scene of the nodes.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._volumeNode: Any = None
        self._segmentationNode: Any = None
        self._source: Any = None
        self._sourceState: tuple[Any, ...] = ()
        self._region: tuple[slice, ...] | None = None
        self._layers: list[tuple[Any, str, str]] = []
        self._hiddenMasks: list[Any] = []

    @property
    def isShown(self) -> bool:
        """Whether a preview is in the scene."""
        return self._volumeNode is not None

    @property
    def source(self) -> Any:
        """The volume that the preview was made from; None if there is no preview."""
        return self._source

    def show(self, volumeNode: Any, result: PreviewVoxels, suvFactor: float, variants: Sequence[Variant] = ()) -> None:
        """Shows a preview instead of the one before.

        Args:
            volumeNode: volume that the preview was made from.
            result: the preview.
            suvFactor: factor of the volume to SUV.
            variants: results in the scene; the preview covers their volumes and hides their masks.
        """
        if not self._isUsable(volumeNode):
            self.remove()
            self._add(volumeNode, suvFactor)
        elif self._sourceState != _state(volumeNode):
            self._copySource()
        self._write(result)
        self._mark(result)
        if not self._layers:
            self._cover(variants)

    def remove(self) -> None:
        """Removes the nodes, and restores views and masks as far as what they showed still exists."""
        for view, layer, before in self._layers:
            shown = getattr(view, f"Get{layer}VolumeID")()
            # Keep what the user or another module has put there since.
            if self._scene.IsNodePresent(view) and shown == self._volumeNode.GetID():
                present = before and self._scene.GetNodeByID(before) is not None
                getattr(view, f"Set{layer}VolumeID")(before if present else None)
        for mask in self._hiddenMasks:
            if self._scene.IsNodePresent(mask):
                mask.SetDisplayVisibility(True)
        self._layers, self._hiddenMasks = [], []
        removeNodes(self._scene, [node for node in (self._volumeNode, self._segmentationNode) if node is not None])
        self._volumeNode = self._segmentationNode = self._source = self._region = None

    def _isUsable(self, volumeNode: Any) -> bool:
        nodes = (self._volumeNode, self._segmentationNode)
        return self._source is volumeNode and all(self._scene.IsNodePresent(node) for node in nodes)

    def _add(self, volumeNode: Any, suvFactor: float) -> None:
        self._source = volumeNode
        self._volumeNode = self._addHidden("vtkMRMLScalarVolumeNode", "Tumor preview")
        display = self._volumeNode.GetDisplayNode()
        display.AutoWindowLevelOff()  # Before the voxels come: its histogram of a whole body takes a second.
        display.SetAutoThreshold(False)
        self._copySource()
        copyDisplay(self._scene, volumeNode, self._volumeNode, suvFactor)
        self._segmentationNode = self._addHidden("vtkMRMLSegmentationNode", "Tumor preview mask")
        self._segmentationNode.GetDisplayNode().SetVisibility2DFill(False)  # It would hide the uptake.

    def _addHidden(self, className: str, name: str) -> Any:
        node = self._scene.CreateNodeByClass(className)
        node.UnRegister(None)  # Python holds it now
        node.SetName(name)
        _hide(node)
        self._scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        _hide(node.GetDisplayNode())
        return node

    def _copySource(self) -> None:
        """Copies the user's voxels and geometry, at the start and when they have changed."""
        snapshot = InputSnapshot.of(self._source)
        self._volumeNode.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(snapshot.ijkToRas))
        self._volumeNode.SetAndObserveTransformNodeID(self._source.GetTransformNodeID())
        setVoxels(self._volumeNode, voxelArray(self._source), snapshot.scalarType)
        self._region = None
        self._sourceState = _state(self._source)

    def _write(self, result: PreviewVoxels) -> None:
        voxels = voxelArray(self._volumeNode)
        if self._region is not None:
            voxels[self._region] = voxelArray(self._source)[self._region]
        self._region = result.segment.region
        voxels[self._region] = result.voxels
        slicer.util.arrayFromVolumeModified(self._volumeNode)

    def _mark(self, result: PreviewVoxels) -> None:
        node = self._segmentationNode
        with slicer.util.NodeModify(node):
            node.SetAndObserveTransformNodeID(self._source.GetTransformNodeID())
            node.GetSegmentation().RemoveAllSegments()
            node.GetSegmentation().AddSegment(newSegment(ijkToRas(self._source), result.segment, "Preview"), "preview")

    def _cover(self, variants: Sequence[Variant]) -> None:
        """Replaces the volume and its variants in the views; if no view shows them, replaces all backgrounds."""
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", self._scene)
        layers = [(view, layer, getattr(view, f"Get{layer}VolumeID")()) for view in views for layer in _LAYERS]
        covered = {self._source.GetID(), *(variant.volumeNode.GetID() for variant in variants)}
        found = [place for place in layers if place[2] in covered]
        self._layers = found or [place for place in layers if place[1] == "Background"]
        for view, layer, _before in self._layers:
            getattr(view, f"Set{layer}VolumeID")(self._volumeNode.GetID())
        masks = [variant.segmentationNode for variant in variants]
        self._hiddenMasks = [mask for mask in masks if mask.GetDisplayVisibility()]
        for mask in self._hiddenMasks:
            mask.SetDisplayVisibility(False)


def _hide(node: Any) -> None:
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetUndoEnabled(False)


def _state(volumeNode: Any) -> tuple[Any, ...]:
    """Values that change with the volume's voxels and geometry."""
    return (volumeNode.GetMTime(), volumeNode.GetImageData().GetMTime(), volumeNode.GetTransformNodeID())
