"""Notices when the volume or the box of the panel is changed."""

from collections.abc import Callable, Sequence

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

__all__ = ["SETTLE_MS", "InputWatch"]

#: Changes count as over once they pause this long, ms.
SETTLE_MS = 150


class InputWatch(VTKObservationMixin):
    """Follows a few nodes: their data, their place and their transforms.

    Args:
        onChanged: called at each change, for every step of a dragged handle.
        onSettled: called once after changes have paused.
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
        """The nodes that are followed."""
        return tuple(self._nodes)

    def follow(self, nodes: Sequence[slicer.vtkMRMLNode]) -> None:
        """Follow these nodes, and no others any more."""
        if list(nodes) == self._nodes:
            return
        self.removeObservers()
        self._nodes = list(nodes)
        for node in nodes:
            for event in _changeEvents(node):
                self.addObserver(node, event, self._onNodeChanged)

    def stop(self) -> None:
        """Follow nothing; what has not settled yet is forgotten."""
        self.follow([])
        self._timer.stop()

    def _onNodeChanged(self, _caller: object, _event: str) -> None:
        self._timer.start()
        self._onChanged()


def _changeEvents(node: slicer.vtkMRMLNode) -> list[int]:
    events = [vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent]
    if node.IsA("vtkMRMLMarkupsNode"):
        events.append(slicer.vtkMRMLMarkupsNode.PointModifiedEvent)
    return events
