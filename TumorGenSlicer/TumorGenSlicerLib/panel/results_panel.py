"""The panel's lower half: the tumors made, shown one at a time, compared, kept or removed."""

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from TumorGenSlicerLib.panel.variant_table import VariantTable
from TumorGenSlicerLib.panel.variant_views import Comparison, showVariant
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant

__all__ = ["ResultsPanel"]


class ResultsPanel(VTKObservationMixin):
    """Keeps table, buttons and views in step with the logic's results.

    Args:
        ui: holds the widgets by their names in the .ui file.
        logic: whose results they are.
        beforeShowing: called before a result is shown in the views.
    """

    def __init__(self, ui: Any, logic: InsertionLogic, beforeShowing: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui, self._logic, self._beforeShowing = ui, logic, beforeShowing
        #: of each run, the input, the variants and what was said before it; a variant does not know them
        self._runs: list[tuple[slicer.vtkMRMLScalarVolumeNode, list[Variant], Sequence[str]]] = []
        self._shownByItself: Variant | None = None
        self._comparison = Comparison(self._onComparisonStopped)
        self._table = VariantTable(ui.variantsTable, self._showSelected)
        self._settleTimer = qt.QTimer()
        self._settleTimer.setInterval(0)
        self._settleTimer.setSingleShot(True)
        self._settleTimer.connect("timeout()", self.refresh)
        ui.compareButton.connect("toggled(bool)", self._onCompareToggled)
        ui.outlineCheckBox.connect("toggled(bool)", self._comparison.setOutlineVisible)
        ui.keepButton.connect("clicked()", self._onKeep)
        ui.removeButton.connect("clicked()", self._onRemove)
        ui.removeLastButton.connect("clicked()", self._onRemoveLast)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._onNodeRemoved)
        self._updateButtons()

    def beginRun(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, saidBefore: Sequence[str]) -> None:
        """Get ready for the variants of a run.

        Args:
            inputVolume: of the run.
            saidBefore: warnings that the user read before the run; those of the variants are not to repeat them.
        """
        self._runs.append((inputVolume, [], saidBefore))
        self._shownByItself = None

    def addVariants(self, variants: Sequence[Variant]) -> None:
        """List more variants of the newest run; the first of them is shown."""
        if not variants:
            return
        _inputVolume, run, _said = self._runs[-1]
        isFirst = not run
        run += variants
        self._table.show(self._logic.results, variants[0] if isFirst else self._table.selected)
        if isFirst:
            self._shownByItself = variants[0]
            self._showSelected()
        self._updateButtons()

    def endRun(self, variants: Sequence[Variant]) -> None:
        """The newest run has ended well: show its best variant, unless the user has chosen another one meanwhile.

        Args:
            variants: of the run, the best first.
        """
        if variants and self._table.selected in (self._shownByItself, None):
            isShown = variants[0] is self._shownByItself
            self._table.show(self._logic.results, variants[0])
            if not isShown:
                self._showSelected()
        self.refresh()

    def refresh(self) -> None:
        """Follow results that went; the views change only if the selected one did."""
        results, selected = list(self._logic.results), self._table.selected
        if selected in results:
            self._table.show(results, selected)
        else:
            inputVolume = self._inputOf(selected)
            self._table.show(results, results[-1] if results else None)
            self._showSelected()
            if not results and _isInScene(inputVolume):
                slicer.util.setSliceViewerLayers(background=inputVolume)
        self._updateButtons()

    def stopComparing(self) -> None:
        """End on the synthetic volume, if before and after take turns."""
        self._comparison.stop()

    def cleanup(self) -> None:
        """Leave the scene and the views alone from now on."""
        self.stopComparing()
        self._settleTimer.stop()
        self.removeObservers()

    def _onNodeRemoved(self, _caller: object, _event: str) -> None:
        if self._table.variants:
            self._settleTimer.start()  # once, after all that are removed together

    def _showSelected(self) -> None:
        self.stopComparing()
        if self._table.selected:
            self._beforeShowing()
            showVariant(self._table.selected, self._table.variants)
        self._updateButtons()

    def _updateButtons(self) -> None:
        selected = self._table.selected
        self._ui.compareButton.enabled = _isInScene(self._inputOf(selected))
        self._ui.keepButton.enabled = bool(self._siblings(selected))
        self._ui.removeButton.enabled = selected is not None
        self._ui.removeLastButton.enabled = bool(self._table.variants)
        warnings = self._warningsOf(selected)
        self._ui.resultWarningsLabel.text = "\n".join(f"\u2022 {line}" for line in warnings)
        self._ui.resultWarningsLabel.visible = bool(warnings)

    def _inputOf(self, variant: Variant | None) -> slicer.vtkMRMLScalarVolumeNode | None:
        return next((inputVolume for inputVolume, variants, _said in self._runs if variant in variants), None)

    def _warningsOf(self, variant: Variant | None) -> list[str]:
        """What the run brought to light of a variant, such as an SUV that it did not reach."""
        said = next((said for _input, variants, said in self._runs if variant in variants), ())
        return [line for line in variant.warnings if line not in said] if variant else []

    def _siblings(self, variant: Variant | None) -> list[Variant]:
        """The other variants of the same run that are still there."""
        run = next((variants for _input, variants, _said in self._runs if variant in variants), [])
        return [other for other in self._table.variants if other in run and other is not variant]

    def _onCompareToggled(self, checked: bool) -> None:
        selected = self._table.selected
        if checked:
            self._beforeShowing()
            self._comparison.start(self._inputOf(selected), selected, self._ui.outlineCheckBox.checked)
        else:
            self._comparison.stop()

    def _onComparisonStopped(self) -> None:
        self._ui.compareButton.checked = False

    def _onKeep(self) -> None:
        self._remove(self._siblings(self._table.selected))

    def _onRemove(self) -> None:
        self._remove([self._table.selected])

    def _onRemoveLast(self) -> None:
        self.stopComparing()
        with slicer.util.tryWithErrorDisplay(_("The last result could not be removed.")):
            self._logic.removeLastResult()
        self.refresh()

    def _remove(self, variants: Sequence[Variant]) -> None:
        self.stopComparing()
        with slicer.util.tryWithErrorDisplay(_("The tumor could not be removed.")):
            for variant in variants:
                self._logic.removeVariant(variant)
        self.refresh()


def _isInScene(node: slicer.vtkMRMLNode | None) -> bool:
    return node is not None and bool(slicer.mrmlScene.IsNodePresent(node))
