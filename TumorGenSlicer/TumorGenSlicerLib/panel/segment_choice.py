"""A list of the segments of a segmentation. Slicer's own selector returns to the first segment at each change."""

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from TumorGenSlicerLib.scene.result_nodes import storedProvenance

__all__ = ["SegmentChoice", "onlySegmentation"]


class SegmentChoice:
    """Lets the user choose a segment.

    Args:
        comboBox: gets the names of the segments.
        onChosen: called with the ID of the segment that the user chose, or that is the only one.
    """

    def __init__(self, comboBox: qt.QComboBox, onChosen: Callable[[str], None]) -> None:
        self._comboBox, self._onChosen = comboBox, onChosen
        self._items: list[tuple[str, str]] = []
        comboBox.connect("currentIndexChanged(int)", self._onIndexChanged)

    def show(self, segmentationNode: Any, segmentId: str) -> None:
        """Lists the segments of a segmentation, or of none, and selects one by its ID; takes the only one there is."""
        segments = _segments(segmentationNode)
        if len(segments) == 1 and segments[0][0] != segmentId:
            self._onChosen(segments[0][0])
            return
        wasBlocked = self._comboBox.blockSignals(True)
        items = [("", _("(segment)")), *segments]
        if items != self._items:
            self._comboBox.clear()
            self._comboBox.addItems([name for _, name in items])
            self._items = items
        known = [ID for ID, _ in items]
        self._comboBox.setCurrentIndex(known.index(segmentId) if segmentId in known else 0)
        self._comboBox.blockSignals(wasBlocked)
        self._comboBox.enabled = bool(segments)

    def _onIndexChanged(self, index: int) -> None:
        if 0 <= index < len(self._items):
            self._onChosen(self._items[index][0])


def onlySegmentation() -> Any | None:
    """The segmentation of the scene that is no result, if there is only one: what the user means most likely."""
    nodes = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    others = [node for node in nodes if "tumors" not in storedProvenance(node)]
    return others[0] if len(others) == 1 else None


def _segments(segmentationNode: Any) -> list[tuple[str, str]]:
    """ID and name of each segment."""
    if segmentationNode is None:
        return []
    segmentation = segmentationNode.GetSegmentation()
    known = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return [(ID, segmentation.GetSegment(ID).GetName()) for ID in known]
