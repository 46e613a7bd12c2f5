"""The preview in the scene: a hidden volume and a hidden mask, which the slice views show on top of the user's volume.

Slicer says nothing when it saves a scene, so the preview must never change what is saved: neither the volumes of the
views, nor their opacity, nor the display of a mask. The preview lies in an additional layer of the slice views. A saved
view still names the volume of that layer, but the file does not have it, and Slicer drops the layer on reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from numpy.typing import NDArray
from slicer.util import VTKObservationMixin

from TumorGenCore.insertion.segment import Segment
from TumorGenSlicerLib.scene.geometry import ijkToRas, voxelArray
from TumorGenSlicerLib.scene.result_nodes import InputSnapshot, Variant, copyDisplay, newSegment, removeNodes, setVoxels

__all__ = ["PreviewNodes", "PreviewVoxels"]


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


class PreviewNodes(VTKObservationMixin):
    """Shows one preview at a time, and restores scene and views when it removes it. Main thread only.

    The volume is a copy of the user's volume, made once. A preview first restores the voxels of the one before, then
    writes only the voxels that its box can change. Slicer neither lists the nodes in other modules, nor saves them, nor
    counts them as an undo step. Each view shows the preview as strongly as the volume that it covers. A view that the
    user gives another volume shows no preview any more.

    Args:
        scene: scene of the nodes.
    """

    def __init__(self, scene: Any) -> None:
        VTKObservationMixin.__init__(self)
        self._scene = scene
        self._volumeNode: Any = None
        self._segmentationNode: Any = None
        self._source: Any = None
        self._sourceState: tuple[Any, ...] = ()
        self._region: tuple[slice, ...] | None = None
        self._suvFactor = 1.0
        #: Views that show the preview, with the volumes that they show below it.
        self._views: dict[Any, tuple[str | None, str | None]] = {}
        #: IDs of the volumes that the preview covers.
        self._covered: set[str] = set()

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
            variants: results in the scene; the preview covers their volumes, too.
        """
        if not self._isUsable(volumeNode):
            self.remove()
            self._add(volumeNode, suvFactor)
        elif self._sourceState != _state(volumeNode):
            self._copySource()
        self._write(result)
        self._mark(result)
        if not self._views:
            self._cover(variants)

    def remove(self) -> None:
        """Removes the preview from the views, and its nodes from the scene."""
        for view in list(self._views):
            self._uncover(view)
        self.removeObservers()
        removeNodes(self._scene, [node for node in (self._volumeNode, self._segmentationNode) if node is not None])
        self._volumeNode = self._segmentationNode = self._source = self._region = None

    def _isUsable(self, volumeNode: Any) -> bool:
        nodes = (self._volumeNode, self._segmentationNode)
        return self._source is volumeNode and all(self._scene.IsNodePresent(node) for node in nodes)

    def _add(self, volumeNode: Any, suvFactor: float) -> None:
        self._source, self._suvFactor = volumeNode, suvFactor
        self._volumeNode = self._addHidden("vtkMRMLScalarVolumeNode", "Tumor preview")
        display = self._volumeNode.GetDisplayNode()
        display.AutoWindowLevelOff()  # Before the voxels come: its histogram of a whole body takes a second.
        display.SetAutoThreshold(False)
        self._copySource()
        copyDisplay(self._scene, volumeNode, self._volumeNode, suvFactor)
        self.addObserver(volumeNode, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, self._onDisplayChanged)
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
        """Shows the preview in the views of the volume and its variants; if there are none, in all views."""
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", self._scene)
        self._covered = {self._source.GetID(), *(variant.volumeNode.GetID() for variant in variants)}
        found = [view for view in views if self._covered & set(_layersOf(view))]
        for view in found or views:
            self._views[view] = _layersOf(view)
            view.SetNthLayerVolumeID(view.LayerLabel + 1 + view.GetNumberOfAdditionalLayers(), self._volumeNode.GetID())
            self._setOpacity(view)
            self.addObserver(view, vtk.vtkCommand.ModifiedEvent, self._onViewChanged)

    def _uncover(self, view: Any) -> None:
        del self._views[view]
        self.removeObserver(view, vtk.vtkCommand.ModifiedEvent, self._onViewChanged)
        layer = self._layerIn(view)
        if layer is not None:
            view.SetNthLayerOpacity(layer, 1.0)
            view.SetNthLayerVolumeID(layer, None)

    def _onViewChanged(self, view: Any, _event: str) -> None:
        if _layersOf(view) == self._views[view]:
            self._setOpacity(view)
        else:
            self._uncover(view)

    def _onDisplayChanged(self, _caller: Any, _event: str) -> None:
        """Follows the user's window, level and colors."""
        copyDisplay(self._scene, self._source, self._volumeNode, self._suvFactor)

    def _setOpacity(self, view: Any) -> None:
        """Makes the preview as visible as the volumes that it covers."""
        background, foreground = self._views[view]
        above = view.GetForegroundOpacity() if foreground else 0.0
        isAbove = foreground in self._covered
        visible = (above if isAbove else 0.0) + (1.0 - above if background in self._covered or not isAbove else 0.0)
        layer = self._layerIn(view)
        if layer is not None and view.GetNthLayerOpacity(layer) != visible:
            view.SetNthLayerOpacity(layer, visible)

    def _layerIn(self, view: Any) -> int | None:
        """Number of the layer that shows the preview; None if there is none."""
        first = view.LayerLabel + 1
        layers = range(first, first + view.GetNumberOfAdditionalLayers())
        return next((n for n in layers if view.GetNthLayerVolumeID(n) == self._volumeNode.GetID()), None)


def _layersOf(view: Any) -> tuple[str | None, str | None]:
    """IDs of the volumes that the user sees in a view, background and foreground."""
    return view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()


def _hide(node: Any) -> None:
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetUndoEnabled(False)


def _state(volumeNode: Any) -> tuple[Any, ...]:
    """Values that change with the volume's voxels and geometry."""
    return (volumeNode.GetMTime(), volumeNode.GetImageData().GetMTime(), volumeNode.GetTransformNodeID())
