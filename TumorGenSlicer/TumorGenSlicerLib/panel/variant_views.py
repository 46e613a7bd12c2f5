"""What the views show of the variants: one of them, or before and after in turn."""

from collections.abc import Callable, Sequence

import qt
import slicer

from TumorGenSlicerLib.run.logic import Variant

__all__ = ["Comparison", "showVariant"]

#: Before and after take turns this often, ms: there and back 1.5 times in a second.
TURN_MS = 333


def showVariant(variant: Variant, variants: Sequence[Variant]) -> None:
    """Show one variant: its volume in the slice views, its mask in all views, the masks of the others nowhere."""
    for other in variants:
        other.segmentationNode.SetDisplayVisibility(other is variant)
    slicer.util.setSliceViewerLayers(background=variant.volumeNode)


class Comparison:
    """Shows the volumes before and after in turn, with the mask's outline or without.

    Args:
        onStopped: called when taking turns has ended, for whatever reason.
    """

    def __init__(self, onStopped: Callable[[], None]) -> None:
        self._onStopped = onStopped
        self._timer = qt.QTimer()
        self._timer.setInterval(TURN_MS)
        self._timer.connect("timeout()", self._turn)
        self._before = self._variant = None
        self._showsBefore = self._wasFilled = False

    @property
    def isActive(self) -> bool:
        """Whether the volumes take turns."""
        return self._variant is not None

    def start(self, before: slicer.vtkMRMLScalarVolumeNode, variant: Variant, outline: bool) -> None:
        """Begin, with the volume before.

        Args:
            before: the volume that the variant was made from.
            variant: the synthetic volume and its mask.
            outline: whether the mask's outline stays visible; its filling never does, it would hide the uptake.
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
        """Show or hide the outline, if volumes take turns."""
        if self.isActive:
            self._variant.segmentationNode.SetDisplayVisibility(visible)

    def stop(self) -> None:
        """End on the synthetic volume with its mask, as far as they are still in the scene."""
        if not self.isActive:
            return
        self._timer.stop()
        variant, self._variant, self._before = self._variant, None, None
        displayNode = variant.segmentationNode.GetDisplayNode()
        if displayNode:
            displayNode.SetVisibility2DFill(self._wasFilled)
            displayNode.SetVisibility(True)
        if slicer.mrmlScene.IsNodePresent(variant.volumeNode):
            slicer.util.setSliceViewerLayers(background=variant.volumeNode)
        self._onStopped()

    def _turn(self) -> None:
        nodes = (self._before, self._variant.volumeNode, self._variant.segmentationNode)
        if not all(slicer.mrmlScene.IsNodePresent(node) for node in nodes):
            self.stop()
            return
        self._showsBefore = not self._showsBefore
        slicer.util.setSliceViewerLayers(background=self._before if self._showsBefore else self._variant.volumeNode)
