"""The reference region of the panel, such as the liver: its choice, and its mean SUV."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from TumorGenCore.errors import InvalidRequestError, TumorGenError
from TumorGenSlicerLib.panel.parameters import MeasuredRegion, Parameters, Uptake
from TumorGenSlicerLib.panel.segment_choice import SegmentChoice, onlySegmentation
from TumorGenSlicerLib.run.logic import InsertionLogic
from TumorGenSlicerLib.scene.geometry import volumeGrid
from TumorGenSlicerLib.scene.regions import regionName

__all__ = ["ReferenceRegion"]


class ReferenceRegion:
    """Shows the choice of a region while the uptake is a ratio to one, and measures the region after each change.

    Args:
        ui: the widgets, by their names in the .ui file.
        logic: measures the region.
        parameters: returns the panel's parameters; None while it shows none.
    """

    def __init__(self, ui: Any, logic: InsertionLogic, parameters: Callable[[], Parameters | None]) -> None:
        self._ui, self._logic, self._parameters = ui, logic, parameters
        self._choice = SegmentChoice(ui.referenceSegmentComboBox, self._onChosen)
        #: What the last measurement depends on, and what it gave.
        self._source: tuple[Any, ...] | None = None
        self._measured: MeasuredRegion | TumorGenError = InvalidRequestError("")

    def show(self) -> None:
        """Shows the choice and the measured SUV, or hides them if they do not matter."""
        parameters = self._parameters()
        isWanted = parameters is not None and parameters.uptake is Uptake.REFERENCE
        self._ui.referenceLabel.visible = self._ui.referenceRow.visible = isWanted
        if parameters is not None and isWanted and parameters.referenceSegmentation is None:
            parameters.referenceSegmentation = onlySegmentation()
        if parameters is not None:
            self._choice.show(parameters.referenceSegmentation, parameters.referenceSegment)
        text = ""
        if parameters is not None and isWanted:
            try:
                suv = self.measured().suv
                text = _("Mean SUV {suv:.2f}, so the tumor gets {wanted:.2f}.").format(
                    suv=suv, wanted=suv * parameters.uptakeRatio
                )
            except TumorGenError:
                pass  # The line under Apply says why.
        self._ui.referenceSuvLabel.text = text
        self._ui.referenceSuvLabel.visible = bool(text)

    def wanted(self) -> MeasuredRegion | None:
        """Returns the region if the uptake is a ratio to one, else None; raises as ``measured``."""
        parameters = self._parameters()
        return self.measured() if parameters is not None and parameters.uptake is Uptake.REFERENCE else None

    def measured(self) -> MeasuredRegion:
        """Returns the chosen region; measures it only if volume, segment or factor have changed.

        Raises:
            InvalidRequestError: none is chosen, or it has no voxel or no uptake on the volume.
            UnsupportedVolumeError: volume or segmentation cannot be used.
        """
        parameters = self._parameters()
        if parameters is None or not _isChosen(parameters):
            raise InvalidRequestError(_("Choose a segmentation and a segment as the reference region."))
        source = _source(parameters)
        if source != self._source:
            self._source = source
            try:
                self._measured = self._measure(parameters)
            except TumorGenError as error:
                self._measured = error
        if isinstance(self._measured, TumorGenError):
            raise type(self._measured)(str(self._measured))
        return self._measured

    def _measure(self, parameters: Parameters) -> MeasuredRegion:
        node, segment = parameters.referenceSegmentation, parameters.referenceSegment
        suv = self._logic.referenceSuv(parameters.inputVolume, node, segment, parameters.suvFactor or None)
        return MeasuredRegion(regionName(node, segment), suv)

    def _onChosen(self, segmentId: str) -> None:
        parameters = self._parameters()
        if parameters is not None:
            parameters.referenceSegment = segmentId


def _isChosen(parameters: Parameters) -> bool:
    node = parameters.referenceSegmentation
    return node is not None and node.GetSegmentation().GetSegment(parameters.referenceSegment) is not None


def _source(parameters: Parameters) -> tuple[Any, ...]:
    """Everything that the measured SUV depends on; equal sources give equal values.

    Raises:
        UnsupportedVolumeError: the volume cannot be used.
    """
    volume, node = parameters.inputVolume, parameters.referenceSegmentation
    grid = volumeGrid(volume)
    segmentation, transform = node.GetSegmentation(), node.GetParentTransformNode()
    voxels = segmentation.GetSegment(parameters.referenceSegment).GetRepresentation(
        segmentation.GetSourceRepresentationName()
    )
    return (
        *(volume.GetID(), volume.GetImageData().GetMTime(), volume.GetMTime(), grid, parameters.suvFactor),
        *(node.GetID(), parameters.referenceSegment, voxels.GetMTime() if voxels is not None else 0),
        *((transform.GetID(), transform.GetTransformToWorldMTime()) if transform is not None else ()),
        regionName(node, parameters.referenceSegment),
    )
