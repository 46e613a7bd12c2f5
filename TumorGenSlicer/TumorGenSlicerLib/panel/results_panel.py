"""The lower half of the panel: lists the tumors made and lets the user show, compare, keep or remove them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from TumorGenSlicerLib.panel.adjust_sliders import AdjustSliders
from TumorGenSlicerLib.panel.variant_table import VariantTable
from TumorGenSlicerLib.panel.variant_views import Comparison, ShownBefore, showVariant
from TumorGenSlicerLib.run.dicom_study import saveDicomStudy
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant

__all__ = ["ResultsPanel"]


@dataclass(eq=False)
class _Run:
    """One run, with what its variants do not know.

    Args:
        inputVolume: volume that the variants were made from.
        saidBefore: warnings that the panel showed before the run.
        variants: variants that still exist.
        shownBefore: what the views showed before they showed a variant of this run; None if they have not yet.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    saidBefore: Sequence[str]
    variants: list[Variant] = field(default_factory=list)
    shownBefore: ShownBefore | None = None


class ResultsPanel(VTKObservationMixin):
    """Keeps table, buttons and views in step with the logic's results.

    During a run the views show its first variant, after it the best one. A variant that the user selects meanwhile
    stays selected.

    Args:
        ui: the widgets, by their names in the .ui file.
        logic: keeps the results.
        beforeShowing: called before the views show a result.
    """

    def __init__(self, ui: Any, logic: InsertionLogic, beforeShowing: Callable[[], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._ui, self._logic, self._beforeShowing = ui, logic, beforeShowing
        self._runs: list[_Run] = []
        self._shown: Variant | None = None
        #: The run under way, and whether the user chose a variant since it began.
        self._current: _Run | None = None
        self._hasChosen = False
        self._comparison = Comparison(self._onComparisonStopped)
        self._table = VariantTable(ui.variantsTable, self._onSelected)
        self._sliders = AdjustSliders(ui, logic, self.refresh)
        self._settleTimer = qt.QTimer()
        self._settleTimer.setInterval(0)
        self._settleTimer.setSingleShot(True)
        self._settleTimer.connect("timeout()", self.refresh)
        ui.compareButton.connect("toggled(bool)", self._onCompareToggled)
        ui.outlineCheckBox.connect("toggled(bool)", self._comparison.setOutlineVisible)
        ui.keepButton.connect("clicked()", self._onKeep)
        ui.removeButton.connect("clicked()", self._onRemove)
        ui.removeLastButton.connect("clicked()", self._onRemoveLast)
        ui.dicomButton.connect("clicked()", self._onSaveDicom)
        ui.truthTableButton.connect("clicked()", self._onTruthTable)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self._onNodeRemoved)
        self._updateButtons()

    def beginRun(self, inputVolume: slicer.vtkMRMLScalarVolumeNode, saidBefore: Sequence[str]) -> None:
        """Prepares for the variants of a run.

        Args:
            inputVolume: volume of the run.
            saidBefore: warnings that the panel showed before the run; it does not repeat them for the variants.
        """
        self._current = _Run(inputVolume, saidBefore)
        self._runs.append(self._current)
        self._hasChosen = False
        self._updateButtons()

    def addVariants(self, variants: Sequence[Variant]) -> None:
        """Lists more variants of the run under way, and shows the first variant of the run."""
        if not variants or self._current is None:
            return
        self._current.variants += variants
        isFirst = self._current.shownBefore is None and not self._hasChosen
        selected = variants[0] if isFirst else self._table.selected
        for variant in variants:
            variant.segmentationNode.SetDisplayVisibility(variant is selected)
        self._table.show(self._logic.results, selected)
        if isFirst:
            self._showSelected()
        self._updateButtons()

    def endRun(self, variants: Sequence[Variant]) -> None:
        """Shows the best variant after a run that ended well, unless the user chose another one meanwhile.

        Args:
            variants: variants of the run, the best first.
        """
        self._current = None
        if variants and not self._hasChosen and self._table.selected is not variants[0]:
            self._table.show(self._logic.results, variants[0])
            self._showSelected()
        self.refresh()

    def dropRun(self) -> None:
        """Restores the views after a canceled or failed run, whose variants are gone."""
        run, self._current = self._current, None
        self._bringBack(run)
        self.refresh()

    def _bringBack(self, run: _Run | None) -> None:
        """Restores the views after the variants of a run are gone, unless they show another result now."""
        results = self._logic.results
        if run is None or run.shownBefore is None or self._table.selected in results:
            return
        self.stopComparing()
        before = run.shownBefore
        self._shown = before.variant if before.variant in results else None
        self._table.show(results, self._shown)
        before.bringBack()

    def refresh(self) -> None:
        """Updates the table after results were removed. The views change only if the selected result was removed."""
        results, selected = self._logic.results, self._table.selected
        run = self._runOf(selected)
        for known in self._runs:
            known.variants = [variant for variant in known.variants if variant in results]
        self._runs = [known for known in self._runs if known.variants or known is self._current]
        if selected is None or selected in results:
            self._table.show(results, selected)
        else:
            self._hasChosen = False
            self._table.show(results, results[-1] if results else None)
            self._showSelected()
            if not results and run is not None and _isInScene(run.inputVolume):
                slicer.util.setSliceViewerLayers(background=run.inputVolume)
        self._updateButtons()

    @property
    def selectedWithInput(self) -> tuple[Variant, slicer.vtkMRMLScalarVolumeNode | None] | None:
        """The selected result, and the volume that it was made from if that is still in the scene."""
        selected = self._table.selected
        if selected is None:
            return None
        run = self._runOf(selected)
        return selected, run.inputVolume if run is not None and _isInScene(run.inputVolume) else None

    def selectFrom(self, rows: int) -> None:
        """Selects the result so many rows below the selected one."""
        self._table.selectFrom(rows)

    def stopComparing(self) -> None:
        """Ends a comparison, if there is one, and shows the synthetic volume."""
        self._comparison.stop()

    def cleanup(self) -> None:
        """Restores the views after a dropped run, and stops observing the scene."""
        self.stopComparing()
        self.dropRun()
        self._settleTimer.stop()
        self._sliders.stop()
        self.removeObservers()

    def _onNodeRemoved(self, _caller: object, _event: str) -> None:
        if self._table.variants:
            self._settleTimer.start()  # once, after all nodes that are removed together

    def _onSelected(self) -> None:
        self._hasChosen = True
        self._showSelected()

    def _showSelected(self) -> None:
        self.stopComparing()
        selected = self._table.selected
        if selected is not None:
            self._beforeShowing()
            run = self._runOf(selected)
            if run is not None and run.shownBefore is None:
                others = [variant for variant in self._table.variants if variant not in run.variants]
                run.shownBefore = ShownBefore(self._shown, others)
            showVariant(selected, self._table.variants)
        self._shown = selected
        self._updateButtons()

    def _updateButtons(self) -> None:
        selected = self._table.selected
        run = self._runOf(selected)
        self._ui.compareButton.enabled = run is not None and _isInScene(run.inputVolume)
        self._ui.keepButton.enabled = bool(self._siblings(selected))
        self._ui.removeButton.enabled = selected is not None
        self._ui.dicomButton.enabled = selected is not None
        self._ui.truthTableButton.enabled = bool(self._table.variants)
        # A run whose variants have not come yet is canceled, not undone.
        isWaiting = self._current is not None and not self._current.variants
        self._ui.removeLastButton.enabled = bool(self._table.variants) and not isWaiting
        self._sliders.show(selected)
        warnings = self._warningsOf(selected)
        self._ui.resultWarningsLabel.text = "\n".join(f"\u2022 {line}" for line in warnings)
        self._ui.resultWarningsLabel.visible = bool(warnings)

    def _runOf(self, variant: Variant | None) -> _Run | None:
        return next((run for run in self._runs if variant in run.variants), None)

    def _warningsOf(self, variant: Variant | None) -> list[str]:
        """Warnings that the run added about a variant, such as an SUV that it did not reach."""
        run = self._runOf(variant)
        if variant is None or run is None:
            return []
        return [line for line in variant.warnings if line not in run.saidBefore]

    def _siblings(self, variant: Variant | None) -> list[Variant]:
        """The other variants of the same run that still exist."""
        run = self._runOf(variant)
        here = run.variants if run is not None else []
        return [other for other in self._table.variants if other in here and other is not variant]

    def _onCompareToggled(self, checked: bool) -> None:
        selected = self._table.selected
        run = self._runOf(selected)
        if checked and selected is not None and run is not None:
            self._hasChosen = True
            self._beforeShowing()
            self._comparison.start(run.inputVolume, selected, self._ui.outlineCheckBox.checked)
        else:
            self._comparison.stop()

    def _onComparisonStopped(self) -> None:
        self._ui.compareButton.checked = False

    def _onKeep(self) -> None:
        self._hasChosen = True
        self._remove(self._siblings(self._table.selected))

    def _onRemove(self) -> None:
        self._remove([self._table.selected])

    def _onRemoveLast(self) -> None:
        """Undoes the last run: removes its variants and restores what the views showed before."""
        self.stopComparing()
        results = self._logic.results
        run = self._runOf(results[-1]) if results else None
        with slicer.util.tryWithErrorDisplay(_("The last result could not be removed.")):
            self._logic.removeLastResult()
        self._bringBack(run)
        self.refresh()

    def _onTruthTable(self) -> None:
        """Makes the table of all results, and lets a table view show it if the layout has one."""
        with slicer.util.tryWithErrorDisplay(_("The table could not be made.")):
            node = self._logic.truthTable(self._table.variants)
            applicationLogic = slicer.app.applicationLogic()
            applicationLogic.GetSelectionNode().SetActiveTableID(node.GetID())
            applicationLogic.PropagateTableSelection()

    def _onSaveDicom(self) -> None:
        """Saves the selected result as a study, in a new folder within the one that the user gives."""
        shown = self.selectedWithInput
        if shown is None:
            return
        variant, inputVolume = shown
        parent = qt.QFileDialog.getExistingDirectory(None, _("Folder for the DICOM study"))
        if not parent:
            return
        folder = Path(parent) / f"TumorGen study seed {variant.seed}"
        with slicer.util.tryWithErrorDisplay(_("The DICOM study could not be saved."), waitCursor=True):
            hasHeader = saveDicomStudy(variant, inputVolume, folder)
            text = _("The DICOM study of a synthetic patient is in {folder}.").format(folder=folder)
            if not hasHeader:
                text += " " + _("It has SUV but no weight and dose: the DICOM database has no series of this scan.")
            self._ui.statusLabel.text = text

    def _remove(self, variants: Sequence[Variant | None]) -> None:
        self.stopComparing()
        with slicer.util.tryWithErrorDisplay(_("The tumor could not be removed.")):
            for variant in variants:
                if variant is not None:
                    self._logic.removeVariant(variant)
        self.refresh()


def _isInScene(node: slicer.vtkMRMLNode | None) -> bool:
    return node is not None and bool(slicer.mrmlScene.IsNodePresent(node))
