"""Lets the user place the box with one click in a view."""

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
from slicer.util import VTKObservationMixin

__all__ = ["BoxPlacing"]


class BoxPlacing(VTKObservationMixin):
    """Asks for one point through Slicer's place mode.

    Slicer's own way to draw an ROI asks for corners. This class adds a hidden point list, takes one control point and
    removes the list again. The caller decides what to do with the point.

    Args:
        onPlaced: called with the point, world RAS, mm.
        onEnded: called when placing ends, with or without a point.
    """

    def __init__(self, onPlaced: Callable[[Sequence[float]], None], onEnded: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._onPlaced, self._onEnded = onPlaced, onEnded
        self._pointNode: Any = None

    @property
    def isActive(self) -> bool:
        """Whether it waits for a click."""
        return self._pointNode is not None

    def start(self) -> None:
        """Starts waiting for a click."""
        self.stop()
        self._pointNode = slicer.mrmlScene.AddNode(_hiddenPointNode())
        self._pointNode.CreateDefaultDisplayNodes()
        self._pointNode.GetDisplayNode().SetPointLabelsVisibility(False)
        selectionNode, interactionNode = _placeModeNodes()
        selectionNode.SetReferenceActivePlaceNodeClassName(self._pointNode.GetClassName())
        selectionNode.SetActivePlaceNodeID(self._pointNode.GetID())
        interactionNode.SwitchToSinglePlaceMode()
        self.addObserver(self._pointNode, self._pointNode.PointPositionDefinedEvent, self._finishSoon)
        self.addObserver(interactionNode, interactionNode.InteractionModeChangedEvent, self._finishSoon)

    def stop(self) -> None:
        """Stops waiting; leaves nothing in the scene."""
        if not self.isActive:
            return
        self.removeObservers()
        pointNode, self._pointNode = self._pointNode, None
        _, interactionNode = _placeModeNodes()
        if interactionNode.GetCurrentInteractionMode() == interactionNode.Place:
            interactionNode.SwitchToViewTransformMode()
        slicer.mrmlScene.RemoveNode(pointNode.GetDisplayNode())
        slicer.mrmlScene.RemoveNode(pointNode)
        self._onEnded()

    def _finishSoon(self, _caller: object, _event: str) -> None:
        # Not now, because the view is still using the point that it has just placed.
        qt.QTimer.singleShot(0, self._finish)

    def _finish(self) -> None:
        if not self.isActive:
            return
        point = _definedPoint(self._pointNode)
        self.stop()
        if point:
            self._onPlaced(point)


def _hiddenPointNode() -> slicer.vtkMRMLMarkupsFiducialNode:
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLMarkupsFiducialNode")
    node.UnRegister(None)  # Python holds its own reference.
    node.SetName("Center of the box")
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetMaximumNumberOfControlPoints(1)
    return node


def _placeModeNodes() -> tuple[slicer.vtkMRMLSelectionNode, slicer.vtkMRMLInteractionNode]:
    applicationLogic = slicer.app.applicationLogic()
    return applicationLogic.GetSelectionNode(), applicationLogic.GetInteractionNode()


def _definedPoint(pointNode: slicer.vtkMRMLMarkupsFiducialNode) -> list[float] | None:
    """Returns the clicked point; ignores the point that follows the mouse before the click."""
    for n in range(pointNode.GetNumberOfControlPoints()):
        if pointNode.GetNthControlPointPositionStatus(n) == pointNode.PositionDefined:
            position = [0.0, 0.0, 0.0]
            pointNode.GetNthControlPointPositionWorld(n, position)
            return position
    return None
