"""The preview in the scene: one hidden volume and one hidden mask, shown in the place of the volume they come from."""

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
    """What a preview shows: the voxels that its box can touch.

    Args:
        voxels: with the tumor, (k, j, i), in the volume's pixel type.
        segment: the tumor's mask, of the same voxels.
        seconds: it took, without loading the model.
    """

    voxels: NDArray
    segment: Segment
    seconds: float


class PreviewNodes:
    """Shows one preview at a time, and leaves scene and views as they were when it goes. Main thread only.

    The volume is a copy of the user's, made once: a preview writes only the voxels that its box can touch, and takes
    back those of the preview before. Neither node is listed in other modules, saved, or an undo step.

    Args:
        scene: of the nodes.
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
        """Whether there is a preview in the scene."""
        return self._volumeNode is not None

    @property
    def source(self) -> Any:
        """The volume that the preview was made from; None where there is none."""
        return self._source

    def show(self, volumeNode: Any, result: PreviewVoxels, suvFactor: float, variants: Sequence[Variant] = ()) -> None:
        """Show a preview instead of the one before.

        Args:
            volumeNode: that it was made from.
            result: to show.
            suvFactor: of the volume.
            variants: results in the scene, whose volumes it covers and whose masks it hides.
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
        """Take the nodes away; views and masks show what they showed before, as far as it is still there."""
        for view, layer, before in self._layers:
            shown = getattr(view, f"Get{layer}VolumeID")()
            # What the user or another module has put there since stays.
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
        display.AutoWindowLevelOff()  # Before there are voxels: its histogram of a whole body takes a second.
        display.SetAutoThreshold(False)
        self._copySource()
        copyDisplay(self._scene, volumeNode, self._volumeNode, suvFactor)
        self._segmentationNode = self._addHidden("vtkMRMLSegmentationNode", "Tumor preview mask")
        self._segmentationNode.GetDisplayNode().SetVisibility2DFill(False)  # The uptake under it is what counts.

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
        """The user's voxels and geometry anew: at the start, and when they have changed."""
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
        """Take the place of the volume in the views, or of its variants; where none is shown, of all backgrounds."""
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
    """Changes with the volume's voxels and geometry."""
    return (volumeNode.GetMTime(), volumeNode.GetImageData().GetMTime(), volumeNode.GetTransformNodeID())
