"""Fills the panel with the settings of a tumor that was made before: a result in the scene, or a provenance file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from TumorGenCore.errors import ProvenanceError
from TumorGenCore.insertion.provenance import Provenance, checked_provenance, read_provenance
from TumorGenCore.volumes.geometry import Box
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant
from TumorGenSlicerLib.run.reproduction import Reproduction, reproduction
from TumorGenSlicerLib.scene.geometry import boxInRas, roiBox
from TumorGenSlicerLib.scene.result_nodes import storedProvenance

__all__ = ["ReproduceButtons"]

#: Largest difference of two equal boxes, mm; for the axes, of their cosines.
_SAME = 1e-6


class ReproduceButtons:
    """Reads a provenance, places its box, and says what is different here.

    Args:
        ui: the widgets, by their names in the .ui file.
        parent: of the file dialog.
        logic: places the box.
        selected: returns the selected result, and its input if that is still in the scene; None if none is selected.
        take: fills the panel with settings, box and input; returns what the panel cannot hold, as sentences.
        say: called with a message for the user.
    """

    def __init__(
        self,
        ui: Any,
        parent: Any,
        logic: InsertionLogic,
        selected: Callable[[], tuple[Variant, Any] | None],
        take: Callable[[Reproduction, Any, Any], list[str]],
        say: Callable[[str], None],
    ) -> None:
        self._ui, self._parent, self._logic = ui, parent, logic
        self._selected, self._take, self._say = selected, take, say
        ui.reproduceButton.connect("clicked()", self._onResult)
        ui.reproduceFileButton.connect("clicked()", self._onFile)

    def _onResult(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The settings could not be read."), waitCursor=True):
            selected = self._selected()
            if selected is not None:
                variant, inputVolume = selected
                self._reproduce(variant.provenance, inputVolume)
                return
            views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
            shown = [slicer.mrmlScene.GetNodeByID(view.GetBackgroundVolumeID() or "") for view in views]
            made = next((node for node in shown if node and "tumors" in storedProvenance(node)), None)
            if made is None:
                raise ProvenanceError(
                    "There is no result. Select a row of the table, or show a synthetic volume in the views."
                )
            self._reproduce(checked_provenance(storedProvenance(made), made.GetName()), None)

    def _onFile(self) -> None:
        kind = _("Provenance") + " (*.provenance.json)"
        path = qt.QFileDialog.getOpenFileName(self._parent, _("Provenance of a tumor"), "", kind)
        if path:
            with slicer.util.tryWithErrorDisplay(_("The settings could not be read."), waitCursor=True):
                self._reproduce(read_provenance(path), None)

    def _reproduce(self, record: Provenance, inputVolume: Any) -> None:
        inputVolume = inputVolume or self._ui.inputVolumeSelector.currentNode()
        settings = reproduction(record, inputVolume, self._ui.modelComboBox.currentText)
        current = self._ui.boxSelector.currentNode()
        isThere = current is not None and _isSame(roiBox(current), settings.box)
        box = current if isThere else self._logic.placeBox(settings.box)
        lines = [*settings.differences, *self._take(settings, box, inputVolume)]
        done = _("The panel has the settings of the tumor of seed {seed}.").format(seed=settings.seed)
        self._say("\n".join([done, *(lines or [_("Apply makes it again.")])]))


def _isSame(box: Box, other: Box) -> bool:
    one, two = (np.concatenate([np.ravel(part) for part in boxInRas(each)]) for each in (box, other))
    return bool(np.allclose(one, two, rtol=0, atol=_SAME))
