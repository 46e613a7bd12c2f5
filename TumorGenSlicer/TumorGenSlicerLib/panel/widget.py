"""The module's panel."""

import contextlib
import random
from collections.abc import Sequence
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_folder, bundle_sampling, read_metadata
from TumorGenCore.errors import CancelledError, ModelBundleError, TumorGenError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.version import software_version
from TumorGenSlicerLib.panel.box_placing import BoxPlacing
from TumorGenSlicerLib.panel.input_watch import InputWatch
from TumorGenSlicerLib.panel.module_logic import TumorGenSlicerLogic
from TumorGenSlicerLib.panel.parameters import Parameters, Size, Solver, Uptake, runOptions, takeRequest, tumorRequest
from TumorGenSlicerLib.panel.preview_panel import LivePreview
from TumorGenSlicerLib.panel.reference_region import ReferenceRegion
from TumorGenSlicerLib.panel.reproduce_buttons import ReproduceButtons
from TumorGenSlicerLib.panel.results_panel import ResultsPanel
from TumorGenSlicerLib.panel.run_monitor import RunMonitor
from TumorGenSlicerLib.panel.segment_placing import SegmentPlacing
from TumorGenSlicerLib.panel.self_test_button import SelfTestButton
from TumorGenSlicerLib.panel.shortcuts import connectShortcuts
from TumorGenSlicerLib.run.logic import Insertion, Progress
from TumorGenSlicerLib.run.reproduction import Reproduction
from TumorGenSlicerLib.run.self_test import SelfTest
from TumorGenSlicerLib.scene.placings import placedTogether

__all__ = ["TumorGenSlicerWidget"]


class TumorGenSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel.

    Attributes:
        logic: starts the runs and keeps their results; None before ``setup``.
        parameterNode: the scene's parameters; None while the panel shows none.
        runMonitor: watches the run under way.
        livePreview: makes quick tumors while the user moves the box.
        selfTest: starts the self-test and writes its report.
    """

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self.parameterNode: Any = None
        #: The parameters whose values the widgets show, also while the panel is closed, and Slicer's tag for it.
        self._shownParameters: Any = None
        self._guiTag = -1

    # Set up and take down

    def setup(self) -> None:
        """Builds the panel; Slicer calls this once, when the user first opens the module."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/TumorGenSlicer.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.diceButton.icon = qt.QIcon(self.resourcePath("Icons/dice.svg"))
        self.ui.placeBoxButton.icon = qt.QIcon(self.resourcePath("Icons/place_box.svg"))

        self.logic = TumorGenSlicerLogic()
        self.logic.factorRemedy = _("Enter it under Advanced > SUV per unit.")
        self.ui.modelComboBox.addItems(self.logic.modelNames())
        self._boxPlacing = BoxPlacing(self.onBoxPlaced, self._onPlacingEnded)
        self._segmentPlacing = SegmentPlacing(self.ui, self.logic, lambda: self.parameterNode, self._takeBox, self._say)
        self._reference = ReferenceRegion(self.ui, self.logic, lambda: self.parameterNode)
        self.runMonitor: RunMonitor[Insertion] = RunMonitor(self._showProgress, self._onRunFinished, self._onRunEnded)
        self._results = ResultsPanel(self.ui, self.logic, self._onResultShown)
        self.livePreview = LivePreview(
            self.ui.livePreviewCheckBox,
            self.logic,
            lambda: self.parameterNode,
            self._request,
            lambda: self._isBusy,
            self._results.stopComparing,
            self._say,
        )
        self.selfTest = SelfTestButton(
            self.ui.selfTestButton,
            self.parent,
            self._startSelfTest,
            self._onSelfTestStarts,
            self._showSelfTest,
            self._onSelfTestEnded,
        )
        self._reproduce = ReproduceButtons(
            self.ui, self.parent, self.logic, lambda: self._results.selectedWithInput, self._takeSettings, self._say
        )
        self._isStarting = False
        self._stepsOfRun = 0
        self._status = ""
        self._inputWatch = InputWatch(self.livePreview.changed, self._onInputsSettled)

        self.ui.placeBoxButton.connect("toggled(bool)", self.onPlaceBoxToggled)
        self.ui.diceButton.connect("clicked()", self.onDiceButton)
        self.ui.modelComboBox.connect("currentTextChanged(QString)", self.onModelChosen)
        self.ui.modelFolderButton.connect("clicked()", self.onModelFolderButton)
        self.ui.applyButton.connect("clicked()", self.onApplyButton)
        connectShortcuts(self.ui, uiWidget, self._results.selectFrom)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Drops the run under way, because Slicer closes or reloads the module."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self.selfTest.drop()
        self.runMonitor.stop()
        self.logic.shutdown()
        self._results.cleanup()
        self.setParameterNode(None)
        self._bindWidgets(None)
        self._inputWatch.stop()
        self.removeObservers()

    def enter(self) -> None:
        """Shows the scene's parameters when the user opens the module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Lets a run continue when the user opens another module; it adds its results when it is done."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self._results.stopComparing()
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller: object, _event: object) -> None:
        """Drops the run under way, because Slicer closes its scene."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self.selfTest.drop()
        self.runMonitor.drop()
        self._results.stopComparing()
        self._status = ""
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller: object, _event: object) -> None:
        """Starts again in the empty scene if the panel is open."""
        self._results.dropRun()
        if self.parent.isEntered:
            self.initializeParameterNode()

    # Parameters

    def initializeParameterNode(self) -> None:
        """Shows the scene's parameters; creates them if the scene has none."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self.parameterNode.inputVolume:
            self.parameterNode.inputVolume = _shownVolume()
        # It depends on this computer, so ignore the value in a scene from another one.
        self.parameterNode.livePreview = self.livePreview.isOnByDefault

    def setParameterNode(self, parameterNode: Parameters | None) -> None:
        """Follows other parameters, or none."""
        if self.parameterNode:
            self.removeObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self.parameterNode = parameterNode
        if self.parameterNode:
            self._bindWidgets(self.parameterNode)
            self.addObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self._onParametersChanged()

    def _bindWidgets(self, parameters: Any) -> None:
        """Binds the widgets to parameters, or to none.

        Slicer keeps an observer for each time that parameters are bound, so the same parameters stay bound. Its own
        ``connectGui`` returns no tag, so it cannot be undone.
        """
        if parameters is self._shownParameters:
            return
        if self._shownParameters is not None:
            self._shownParameters.disconnectGui(self._guiTag)
        self._shownParameters = parameters
        if parameters is not None:
            bound = {widget.property("SlicerParameterName"): widget for widget in vars(self.ui).values()}
            bound.pop(None, None)
            self._guiTag = parameters.connectParametersToGui(bound)

    def _onParametersChanged(self, _caller: object = None, _event: object = None) -> None:
        parameters = self.parameterNode
        if parameters:
            for box in self._boxes:
                if box not in self._inputWatch.nodes:
                    box.SetDisplayVisibility(True)  # A box from the list may be hidden.
            model = parameters.model or DEFAULT_BUNDLE
            _showText(self.ui.modelComboBox, model)
            self.ui.versionLabel.text = _versions(model)
            self._showTargets(parameters)
        nodes = [parameters.inputVolume, *self._boxes] if parameters else []
        if parameters:
            nodes += dict.fromkeys((parameters.placeSegmentation, parameters.referenceSegmentation))
        self._inputWatch.follow([node for node in nodes if node])
        self.livePreview.changed()
        self._onInputsSettled()

    def _onInputsSettled(self) -> None:
        self._reference.show()
        self._checkCanApply()

    def _showTargets(self, parameters: Parameters) -> None:
        """Shows the fields of the chosen measures of uptake and size only."""
        isRatio = parameters.uptake.isRatio
        self.ui.uptakeSuvSpinBox.visible, self.ui.uptakeRatioSpinBox.visible = not isRatio, isRatio
        self.ui.uptakeSuvSpinBox.enabled = parameters.uptake is not Uptake.MODEL
        self.ui.fillSpinBox.visible = parameters.size is Size.SHARE
        self.ui.volumeSpinBox.visible = parameters.size is Size.VOLUME
        self.ui.diameterSpinBox.visible = parameters.size is Size.DIAMETER

    # Box, seed and model

    def onPlaceBoxToggled(self, checked: bool) -> None:
        """Starts or stops waiting for a click in a view."""
        if checked:
            self._boxPlacing.start()
        else:
            self._boxPlacing.stop()
        self._checkCanApply()

    def onBoxPlaced(self, centerRas: Sequence[float]) -> None:
        """Places a box around the point that the user clicked (world RAS, mm), and moves the slice views there."""
        with slicer.util.tryWithErrorDisplay(_("The box could not be placed.")):
            self._takeBox(self.logic.placeDefaultBox(self.parameterNode.inputVolume, centerRas))

    def _takeBox(self, box: slicer.vtkMRMLMarkupsROINode | None) -> None:
        """Shows a box, and those placed together with it, instead of the ones before; moves the slice views there."""
        before = self._boxes
        self.parameterNode.box = box
        for node in before:
            if node not in self._boxes:
                node.SetDisplayVisibility(False)
        if box is None:
            return
        center = box.GetCenterWorld()
        jump = slicer.vtkMRMLSliceNode.OffsetJumpSlice
        slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *center, jump)

    def _onPlacingEnded(self) -> None:
        self.ui.placeBoxButton.checked = False

    def onDiceButton(self) -> None:
        """Draws a random seed."""
        self.parameterNode.seed = random.randrange(1_000_000)

    def onModelChosen(self, name: str) -> None:
        """Takes the installed model that the user chose."""
        if self.parameterNode and name and name != (self.parameterNode.model or DEFAULT_BUNDLE):
            self._chooseModel(name)

    def onModelFolderButton(self) -> None:
        """Asks for the folder of the user's own model."""
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Folder of a TumorGen model"))
        if folder:
            self._chooseModel(folder)

    def _chooseModel(self, model: str) -> None:
        """Takes a model with its steps and solver. If it cannot be read, the status line says so."""
        self.parameterNode.model = model
        with contextlib.suppress(ModelBundleError):
            sampling = bundle_sampling(model)
            self.parameterNode.steps, self.parameterNode.solver = sampling.steps, Solver(sampling.solver)

    def _takeSettings(
        self, settings: Reproduction, box: slicer.vtkMRMLMarkupsROINode, inputVolume: slicer.vtkMRMLScalarVolumeNode
    ) -> list[str]:
        """Fills the panel with the settings of a tumor; returns what it cannot hold."""
        self.parameterNode.inputVolume = inputVolume
        if settings.model is not None:
            self.parameterNode.model = settings.model
        self.parameterNode.suvFactor = settings.suvFactor or 0.0
        self._takeBox(box)
        reference = None
        with contextlib.suppress(TumorGenError):
            reference = self._reference.measured()
        return takeRequest(self.parameterNode, settings.request, settings.seed, reference)

    # Runs

    @property
    def _boxes(self) -> list[slicer.vtkMRMLMarkupsROINode]:
        """The boxes that get a tumor: the chosen one, and those placed together with it."""
        return placedTogether(self.parameterNode.box) if self.parameterNode and self.parameterNode.box else []

    def _request(self) -> TumorRequest:
        """Returns the request that the panel shows; raises a ``TumorGenError`` if something is missing."""
        return tumorRequest(self.parameterNode, self._reference.wanted())

    def onApplyButton(self) -> None:
        """Starts a run, or cancels the one under way."""
        if self.runMonitor.isActive:
            self.runMonitor.cancel()
            self._checkCanApply()
        elif not self._isStarting:
            with slicer.util.tryWithErrorDisplay(_("The tumor could not be inserted.")):
                self._startRun()

    def _startRun(self) -> None:
        # Slicer handles events while it installs packages: a second press must do nothing.
        self._isStarting = True
        self._status = _("Getting ready ...")
        self._results.stopComparing()
        self._checkCanApply()
        parameters = self.parameterNode
        inputVolume, self._stepsOfRun = parameters.inputVolume, parameters.steps
        try:
            boxes, request, options = self._boxes, self._request(), runOptions(parameters)
            saidBeforeRun = self.logic.warnings(inputVolume, boxes, request, **options)
            insertion = self.logic.startInsertion(
                inputVolume,
                boxes,
                request,
                seeds=range(parameters.seed, parameters.seed + parameters.variants),
                **options,
            )
            self._results.beginRun(inputVolume, saidBeforeRun)
            self.runMonitor.watch(insertion)
        finally:
            self._isStarting = False
            self._status = ""
            self._checkCanApply()

    def _showProgress(self, insertion: Insertion) -> None:
        progress = insertion.progress
        self.ui.progressBar.maximum = progress.stepsInAll
        self.ui.progressBar.value = progress.stepsDone
        doing = _("Canceling") if self.runMonitor.isCancelled else progress.text.capitalize()
        self._status = _("{doing}, {seconds:.1f} s").format(doing=doing, seconds=progress.secondsElapsed)
        self._results.addVariants(insertion.addReady())
        self._checkCanApply()

    def _onRunFinished(self, insertion: Insertion) -> None:
        self._status = _("Failed. The scene did not change.")
        with slicer.util.tryWithErrorDisplay(_("The tumor could not be inserted."), waitCursor=True):
            try:
                self._results.addVariants(insertion.addReady())
                variants = insertion.addResults()
            except Exception as error:
                self._results.dropRun()
                if not isinstance(error, CancelledError):
                    raise
                self._status = _("Canceled. The scene did not change.")
                return
            self._results.endRun(variants)
            done = _("Done in {seconds:.1f} s.").format(seconds=insertion.progress.secondsElapsed)
            self._status = f"{done} {self.livePreview.learn(variants, self._stepsOfRun)}".strip()

    def _onRunEnded(self) -> None:
        self.livePreview.changed()  # The user may have changed something meanwhile.
        self._checkCanApply()

    def _onResultShown(self) -> None:
        self.livePreview.settle()

    # Self-test

    def _startSelfTest(self) -> SelfTest:
        return self.logic.startSelfTest(device=self.parameterNode.device.value)

    def _onSelfTestStarts(self) -> None:
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self._results.stopComparing()

    def _showSelfTest(self, progress: Progress) -> None:
        self.ui.progressBar.maximum = progress.stepsInAll
        self.ui.progressBar.value = progress.stepsDone
        self._status = _("Self-test: {doing}, {seconds:.0f} s").format(
            doing=progress.text, seconds=progress.secondsElapsed
        )
        self._checkCanApply()

    def _onSelfTestEnded(self, message: str) -> None:
        self.livePreview.settle()  # Its words would take the place of the message.
        self._say(message)

    def _say(self, text: str) -> None:
        self._status = text
        self._checkCanApply()

    @property
    def _isBusy(self) -> bool:
        return self._isStarting or self.runMonitor.isActive or self.selfTest.isActive

    def _checkCanApply(self) -> None:
        """Enables the buttons, and says why Apply cannot be pressed."""
        parameters = self.parameterNode
        isBusy = self._isBusy
        problem, warnings = "", list[str]()
        if parameters and not isBusy:
            problem, warnings = self._judged(parameters)
        canCancel = self.runMonitor.isActive and not self.runMonitor.isCancelled
        self.ui.applyButton.text = _("Cancel") if self.runMonitor.isActive else _("Apply")
        self.ui.applyButton.enabled = canCancel or (parameters is not None and not isBusy and not problem)
        self.ui.placeBoxButton.enabled = parameters is not None and parameters.inputVolume is not None
        self.ui.progressBar.visible = self.runMonitor.isActive or self.selfTest.isActive
        self._segmentPlacing.show(isBusy)
        self.selfTest.update(parameters is None or self._isStarting or self.runMonitor.isActive)
        if self._boxPlacing.isActive:
            problem = _("Click in a slice view where you want the tumor.")
        _showMessage(self.ui.statusLabel, problem or self._status)
        _showMessage(self.ui.warningsLabel, "\n".join(f"\u2022 {line}" for line in warnings))

    def _judged(self, parameters: Parameters) -> tuple[str, list[str]]:
        """Why a run is not possible, or an empty text, and then what the user should know before."""
        inputVolume, boxes, options = parameters.inputVolume, self._boxes, runOptions(parameters)
        problem = self.logic.problem(inputVolume, boxes, **options)
        if problem:
            return problem, []
        try:
            request = self._request()
        except TumorGenError as error:
            return str(error), []
        problem = self.logic.problem(inputVolume, boxes, request, **options)
        return problem, [] if problem else self.logic.warnings(inputVolume, boxes, request, **options)


def _showMessage(label: qt.QLabel, text: str) -> None:
    label.text = text
    label.visible = bool(text)


def _versions(model: str) -> str:
    """Names and versions of TumorGen and of a model, given by its name or folder."""
    try:
        folder = bundle_folder(model)
        what = f"{folder.name} {read_metadata(folder)[0].get('version', '')}"
    except ModelBundleError:
        what = _("not found")
    return _("TumorGen {version}, model {model}").format(version=software_version(), model=what.strip())


def _showText(comboBox: qt.QComboBox, text: str) -> None:
    """Selects an item without a signal; adds it first if it is missing."""
    wasBlocked = comboBox.blockSignals(True)
    if comboBox.findText(text) < 0:
        comboBox.addItem(text)
    comboBox.setCurrentIndex(comboBox.findText(text))
    comboBox.blockSignals(wasBlocked)


def _shownVolume() -> slicer.vtkMRMLScalarVolumeNode | None:
    """Volume in the background of the slice views, else the first volume of the scene."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = [slicer.mrmlScene.GetNodeByID(view.GetBackgroundVolumeID() or "") for view in views]
    candidates = [*shown, *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in candidates if node and node.GetClassName() == "vtkMRMLScalarVolumeNode"), None)
