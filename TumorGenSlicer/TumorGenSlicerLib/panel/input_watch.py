"""Notices changes of the panel's volume, boxes and segmentations."""

from collections.abc import Callable, Sequence

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

__all__ = ["SETTLE_MS", "InputWatch"]

#: Changes count as finished when they pause this long, ms.
SETTLE_MS = 150


class InputWatch(VTKObservationMixin):
    """Observes a few nodes: their data, position, segments and transforms.

    Args:
        onChanged: called at each change, so at every step of a dragged handle.
        onSettled: called once when changes pause.
    """

    def __init__(self, onChanged: Callable[[], None], onSettled: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._onChanged = onChanged
        self._nodes: list[slicer.vtkMRMLNode] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(SETTLE_MS)
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", onSettled)

    @property
    def nodes(self) -> Sequence[slicer.vtkMRMLNode]:
        """The observed nodes."""
        return tuple(self._nodes)

    def follow(self, nodes: Sequence[slicer.vtkMRMLNode]) -> None:
        """Observes these nodes only."""
        if list(nodes) == self._nodes:
            return
        self.removeObservers()
        self._nodes = list(nodes)
        for node in nodes:
            for event in _changeEvents(node):
                self.addObserver(node, event, self._onNodeChanged)

    def stop(self) -> None:
        """Stops observing; forgets changes that have not settled."""
        self.follow([])
        self._timer.stop()

    def _onNodeChanged(self, _caller: object, _event: str) -> None:
        self._timer.start()
        self._onChanged()


def _changeEvents(node: slicer.vtkMRMLNode) -> list[int]:
    events = [vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent]
    if node.IsA("vtkMRMLMarkupsNode"):
        events.append(slicer.vtkMRMLMarkupsNode.PointModifiedEvent)
    if node.IsA("vtkMRMLSegmentationNode"):
        made = slicer.vtkSegmentation
        events += [made.SegmentAdded, made.SegmentRemoved, made.SegmentModified, made.SourceRepresentationModified]
    return events
