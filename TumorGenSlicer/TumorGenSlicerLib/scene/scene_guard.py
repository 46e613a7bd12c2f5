"""Brings a scene back to what it was: for work that adds nodes of its own to a user's scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import slicer

from TumorGenSlicerLib.scene.result_nodes import removeNodes

__all__ = ["SceneGuard", "nodeClasses", "nodeIds"]

_LAYERS = ("Background", "Foreground", "Label")


class SceneGuard:
    """Knows which nodes were added by some work, and what the user's scene, views and place mode were before it.

    Main thread only.

    Args:
        scene: of the user.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._usersNodes = nodeIds(scene)
        views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", scene)
        self._layers = [(view, layer, getattr(view, f"Get{layer}VolumeID")()) for view in views for layer in _LAYERS]
        self._selectionNode = scene.GetFirstNodeByClass("vtkMRMLSelectionNode")
        self._place = self._placeMode()
        self._own: list[Any] = []

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Takes nodes that are added meanwhile for the work's own. Slicer must handle no events meanwhile."""
        before = nodeIds(self._scene)
        try:
            yield
        finally:
            # Singletons are Slicer's own: it makes them when somebody first asks for them.
            new = [node for node in self._scene.GetNodes() if node.GetID() not in before]
            self._own += [node for node in new if not node.GetSingletonTag()]

    def added(self, since: set[str] | None = None) -> list[Any]:
        """Returns the work's own nodes that are still in the scene.

        Args:
            since: IDs of the nodes at some time; only nodes that were added later are returned.
        """
        own = [node for node in self._own if self._scene.IsNodePresent(node)]
        return [node for node in own if since is None or node.GetID() not in since]

    def restore(self) -> str:
        """Removes the work's own nodes and restores views and place mode, except where the user has changed them.

        Returns:
            What is not as before, as a sentence; empty if the scene is as it was.
        """
        own = {node.GetID() for node in self._own}
        isPlaceOwn = self._selectionNode is not None and self._selectionNode.GetActivePlaceNodeID() in {*own, None}
        covered = [place for place in self._layers if getattr(place[0], f"Get{place[1]}VolumeID")() in {*own, None}]
        removeNodes(self._scene, [node for node in self._own if node.IsA("vtkMRMLDisplayableNode")])
        for node in self.added():
            self._scene.RemoveNode(node)
        for view, layer, before in covered:
            shown = before if before and self._scene.GetNodeByID(before) is not None else None
            if self._scene.IsNodePresent(view) and getattr(view, f"Get{layer}VolumeID")() != shown:
                getattr(view, f"Set{layer}VolumeID")(shown)
        if isPlaceOwn and self._placeMode() != self._place:
            className, node = self._place
            self._selectionNode.SetReferenceActivePlaceNodeClassName(className)
            self._selectionNode.SetActivePlaceNodeID(node)
        left, gone = self.added(), self._usersNodes - nodeIds(self._scene)
        self._own = []
        if left:
            return f"{len(left)} nodes are still there: {nodeClasses(left)}."
        return f"{len(gone)} nodes that were there before are gone; did you remove them?" if gone else ""

    def _placeMode(self) -> tuple[str | None, str | None]:
        """Class and ID of the node that the next click in a view places."""
        node = self._selectionNode
        return (None, None) if node is None else (node.GetActivePlaceNodeClassName(), node.GetActivePlaceNodeID())


def nodeIds(scene: Any) -> set[str]:
    """Returns the IDs of all nodes of a scene."""
    return {node.GetID() for node in scene.GetNodes()}


def nodeClasses(nodes: Sequence[Any]) -> str:
    """Returns the class names of nodes for a message."""
    return ", ".join(sorted({node.GetClassName() for node in nodes}))
