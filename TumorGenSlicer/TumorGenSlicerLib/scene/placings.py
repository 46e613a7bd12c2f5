"""Boxes that were placed together, such as those for the lesions of one organ; a saved scene keeps this."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

__all__ = ["markPlacing", "placedTogether", "placingOf"]

_ATTRIBUTE = "TumorGen.placing"


def markPlacing(roiNodes: Sequence[Any]) -> None:
    """Remembers that these boxes were placed together."""
    mark = uuid.uuid4().hex
    for node in roiNodes:
        node.SetAttribute(_ATTRIBUTE, mark)


def placingOf(roiNode: Any) -> str:
    """Mark that the boxes placed together have in common; empty for a box that was placed alone."""
    return roiNode.GetAttribute(_ATTRIBUTE) or ""


def placedTogether(roiNode: Any) -> list[Any]:
    """Boxes in the scene that were placed together with a box, in their order, with this one; else the box alone."""
    mark, scene = placingOf(roiNode), roiNode.GetScene()
    if not mark or scene is None:
        return [roiNode]
    nodes = (scene.GetNthNodeByClass(n, roiNode.GetClassName()) for n in range(scene.GetNumberOfNodes()))
    return [node for node in nodes if node is not None and placingOf(node) == mark]
