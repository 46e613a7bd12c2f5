"""Places the boxes of several lesions in a segment, and takes them back."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenSlicerLib.panel.parameters import Parameters, wantedDiameterMm
from TumorGenSlicerLib.panel.segment_choice import SegmentChoice, onlySegmentation
from TumorGenSlicerLib.run.logic import InsertionLogic
from TumorGenSlicerLib.scene.placings import placedTogether, placingOf
from TumorGenSlicerLib.scene.regions import regionName
from TumorGenSlicerLib.scene.result_nodes import removeNodes

__all__ = ["SegmentPlacing"]

#: What the user sees only while placing boxes in a segment.
_CONTROLS = ("placeSegmentLabel", "placeSegmentRow", "placeCountLabel", "placeButtonsRow")


class SegmentPlacing:
    """The controls that "In segment" shows.

    Args:
        ui: the widgets, by their names in the .ui file.
        logic: places the boxes.
        parameters: returns the panel's parameters; None while it shows none.
        take: called with the box to take, or None.
        say: called with a message for the user.
    """

    def __init__(
        self,
        ui: Any,
        logic: InsertionLogic,
        parameters: Callable[[], Parameters | None],
        take: Callable[[slicer.vtkMRMLMarkupsROINode | None], None],
        say: Callable[[str], None],
    ) -> None:
        self._ui, self._logic, self._parameters, self._take, self._say = ui, logic, parameters, take, say
        self._choice = SegmentChoice(ui.placeSegmentComboBox, self._onChosen)
        #: The box before each placing, by its mark.
        self._before: dict[str, slicer.vtkMRMLMarkupsROINode | None] = {}
        ui.inSegmentButton.connect("toggled(bool)", self._onOpened)
        ui.placeInSegmentButton.connect("clicked()", self._onPlace)
        ui.undoPlacingButton.connect("clicked()", self._onUndo)
        self._onOpened(False)

    def show(self, isBusy: bool) -> None:
        """Shows the segments, how many boxes were placed together, and which buttons work.

        Args:
            isBusy: whether a run is under way, which needs its boxes.
        """
        parameters = self._parameters()
        box = parameters.box if parameters is not None else None
        if parameters is not None:
            self._choice.show(parameters.placeSegmentation, parameters.placeSegment)
        isReady = parameters is not None and parameters.inputVolume is not None and not isBusy
        self._ui.placeInSegmentButton.enabled = isReady
        self._ui.undoPlacingButton.enabled = isReady and box is not None and bool(placingOf(box))
        count = len(placedTogether(box)) if box is not None else 0
        text = _("Apply makes a tumor in each of {count} boxes.").format(count=count)
        self._ui.boxesLabel.text = text if count > 1 else ""
        self._ui.boxesLabel.visible = count > 1

    def _onOpened(self, isOpen: bool) -> None:
        for name in _CONTROLS:
            getattr(self._ui, name).visible = isOpen
        parameters = self._parameters()
        if isOpen and parameters is not None and parameters.placeSegmentation is None:
            parameters.placeSegmentation = onlySegmentation()

    def _onPlace(self) -> None:
        parameters = self._parameters()
        if parameters is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The boxes could not be placed."), waitCursor=True):
            node, segment = parameters.placeSegmentation, parameters.placeSegment
            if parameters.inputVolume is None:
                raise UnsupportedVolumeError(_("Choose a PET volume."))
            if node is None or node.GetSegmentation().GetSegment(segment) is None:
                raise InvalidRequestError(_("Choose a segmentation and a segment to place the boxes in."))
            boxes = self._logic.placeInSegment(
                parameters.inputVolume,
                node,
                segment,
                parameters.placeCount or None,
                seed=parameters.seed,
                diameterMm=wantedDiameterMm(parameters),
                suvFactor=parameters.suvFactor or None,
            )
            self._before[placingOf(boxes[0])] = parameters.box
            self._take(boxes[0])
            self._say(_("Boxes placed in {name}: {count}.").format(name=regionName(node, segment), count=len(boxes)))

    def _onUndo(self) -> None:
        """Removes the boxes of the placing, and takes the box from before, if it is still there."""
        parameters = self._parameters()
        if parameters is None or parameters.box is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The boxes could not be removed.")):
            placed = placedTogether(parameters.box)
            before = self._before.pop(placingOf(placed[0]), None)
            self._take(before if before is not None and slicer.mrmlScene.IsNodePresent(before) else None)
            removeNodes(slicer.mrmlScene, placed)
            self._say(_("Boxes removed: {count}.").format(count=len(placed)))

    def _onChosen(self, segmentId: str) -> None:
        parameters = self._parameters()
        if parameters is not None:
            parameters.placeSegment = segmentId
