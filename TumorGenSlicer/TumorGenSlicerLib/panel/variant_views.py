"""Shows one variant in the views, or the volumes before and after in turn."""

from collections.abc import Callable, Sequence

import qt
import slicer

from TumorGenSlicerLib.run.logic import Variant

__all__ = ["Comparison", "ShownBefore", "showVariant"]

#: Time between two switches, ms; before and after both show 1.5 times per second.
TURN_MS = 333


def showVariant(variant: Variant, variants: Sequence[Variant]) -> None:
    """Shows one variant: its volume in the slice views and its mask in all views. Hides the other masks."""
    for other in variants:
        other.segmentationNode.SetDisplayVisibility(other is variant)
    slicer.util.setSliceViewerLayers(background=variant.volumeNode)


class ShownBefore:
    """Remembers what the views show now, to restore it when the results that replace it are removed.

    Args:
        variant: variant that the views show, if any.
        variants: variants whose masks may be visible.
    """

    def __init__(self, variant: Variant | None, variants: Sequence[Variant]) -> None:
        self.variant = variant
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
        self._backgrounds = [(view, view.GetBackgroundVolumeID()) for view in views]
        masks = [other.segmentationNode for other in variants]
        self._masks = [mask for mask in masks if mask.GetDisplayVisibility()]

    def bringBack(self) -> None:
        """Restores it as far as the nodes still exist; keeps volumes that were put in a view since then."""
        for view, before in self._backgrounds:
            if slicer.mrmlScene.IsNodePresent(view) and not _isThere(view.GetBackgroundVolumeID()):
                view.SetBackgroundVolumeID(before if _isThere(before) else None)
        for mask in self._masks:
            if slicer.mrmlScene.IsNodePresent(mask):
                mask.SetDisplayVisibility(True)


class Comparison:
    """Shows the volumes before and after in turn, with or without the mask's outline.

    Args:
        onStopped: called when the comparison ends, for whatever reason.
    """

    def __init__(self, onStopped: Callable[[], None]) -> None:
        self._onStopped = onStopped
        self._timer = qt.QTimer()
        self._timer.setInterval(TURN_MS)
        self._timer.connect("timeout()", self._turn)
        self._before: slicer.vtkMRMLScalarVolumeNode | None = None
        self._variant: Variant | None = None
        self._showsBefore = self._wasFilled = False

    @property
    def isActive(self) -> bool:
        """Whether a comparison is running."""
        return self._variant is not None

    def start(self, before: slicer.vtkMRMLScalarVolumeNode, variant: Variant, outline: bool) -> None:
        """Starts with the volume before.

        Args:
            before: volume that the variant was made from.
            variant: the synthetic volume and its mask.
            outline: whether the mask's outline stays visible. Its filling never does, because it hides the uptake.
        """
        self.stop()
        self._before, self._variant, self._showsBefore = before, variant, False
        displayNode = variant.segmentationNode.GetDisplayNode()
        self._wasFilled = bool(displayNode.GetVisibility2DFill())
        displayNode.SetVisibility2DFill(False)
        self.setOutlineVisible(outline)
        self._turn()
        self._timer.start()

    def setOutlineVisible(self, visible: bool) -> None:
        """Shows or hides the outline during a comparison."""
        if self._variant is not None:
            self._variant.segmentationNode.SetDisplayVisibility(visible)

    def stop(self) -> None:
        """Stops and shows the synthetic volume with its mask, as far as they are still in the scene."""
        variant = self._variant
        if variant is None:
            return
        self._timer.stop()
        self._variant = self._before = None
        displayNode = variant.segmentationNode.GetDisplayNode()
        if displayNode:
            displayNode.SetVisibility2DFill(self._wasFilled)
            displayNode.SetVisibility(True)
        if slicer.mrmlScene.IsNodePresent(variant.volumeNode):
            slicer.util.setSliceViewerLayers(background=variant.volumeNode)
        self._onStopped()

    def _turn(self) -> None:
        variant = self._variant
        if variant is None:
            return
        nodes = (self._before, variant.volumeNode, variant.segmentationNode)
        if not all(slicer.mrmlScene.IsNodePresent(node) for node in nodes):
            self.stop()
            return
        self._showsBefore = not self._showsBefore
        slicer.util.setSliceViewerLayers(background=self._before if self._showsBefore else variant.volumeNode)


def _isThere(nodeId: str | None) -> bool:
    return bool(nodeId) and slicer.mrmlScene.GetNodeByID(nodeId) is not None
