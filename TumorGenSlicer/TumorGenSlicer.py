"""The TumorGen module of 3D Slicer: inserts synthetic PET tumors with their masks into a rough box."""

import contextlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_sampling
from TumorGenCore.errors import CancelledError, ModelBundleError
from TumorGenSlicerLib.panel.box_placing import BoxPlacing
from TumorGenSlicerLib.panel.input_watch import InputWatch
from TumorGenSlicerLib.panel.parameters import Parameters, Solver, Uptake, runOptions, tumorRequest
from TumorGenSlicerLib.panel.preview_panel import LivePreview
from TumorGenSlicerLib.panel.results_panel import ResultsPanel
from TumorGenSlicerLib.panel.run_monitor import RunMonitor
from TumorGenSlicerLib.panel.self_test_button import SelfTestButton
from TumorGenSlicerLib.run.dependencies import missingPackages
from TumorGenSlicerLib.run.logic import Insertion, InsertionLogic, Progress
from TumorGenSlicerLib.run.self_test import SelfTest, runSelfTest
from TumorGenSlicerLib.run.self_test_report import reportPath
from TumorGenSlicerLib.scene.sample_data import registerSampleData


class TumorGenSlicer(ScriptedLoadableModule):
    """Title, category and help text that Slicer shows for the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("TumorGen")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["Markups", "Segmentations", "SubjectHierarchy", "Terminologies", "Volumes"]
        parent.contributors = ["TumorGen developers"]
        parent.helpText = _(
            "Inserts a synthetic tumor with its mask into an FDG-PET volume. Choose the volume, press "
            "<b>Place box</b>, click in a slice view and press <b>Apply</b>. The result is a new volume and a "
            "segmentation. Your volume does not change, and the new volume differs from it only inside the box.<br>"
            "<b>Research use, not for diagnosis.</b> The images are synthetic."
        )
        parent.acknowledgementText = _(
            "An independent implementation of the method in the paper <i>TumorGen: boundary-aware tumor-mask synthesis "
            "with rectified flow matching</i>."
        )
        slicer.app.connect("startupCompleted()", lambda: registerSampleData(self.resourcePath("Icons/FDGPhantom.png")))


class TumorGenSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel.

    Attributes:
        logic: starts the runs and keeps their results; None before ``setup``.
        parameterNode: the scene's parameters; None while the panel shows none.
        runMonitor: watches the run under way.
        livePreview: makes quick tumors while the user moves the box.
        selfTest: starts the self-test and writes its report.
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameterNode: Parameters | None = None
        self._parameterNodeGuiTag: int | None = None

    # Set up and take down

    def setup(self):
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
        self.runMonitor: RunMonitor[Insertion] = RunMonitor(self._showProgress, self._onRunFinished, self._onRunEnded)
        self._results = ResultsPanel(self.ui, self.logic, self._onResultShown)
        self.livePreview = LivePreview(
            self.ui.livePreviewCheckBox,
            self.logic,
            lambda: self.parameterNode,
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
        self._isStarting = False
        self._stepsOfRun = 0
        self._status = ""
        self._inputWatch = InputWatch(self.livePreview.changed, self._checkCanApply)

        self.ui.placeBoxButton.connect("toggled(bool)", self.onPlaceBoxToggled)
        self.ui.diceButton.connect("clicked()", self.onDiceButton)
        self.ui.modelComboBox.connect("currentTextChanged(QString)", self.onModelChosen)
        self.ui.modelFolderButton.connect("clicked()", self.onModelFolderButton)
        self.ui.applyButton.connect("clicked()", self.onApplyButton)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartSaveEvent, self.onSceneStartSave)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndSaveEvent, self.onSceneEndSave)
        self.initializeParameterNode()

    def cleanup(self):
        """Drops the run under way, because Slicer closes or reloads the module."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self.selfTest.drop()
        self.runMonitor.stop()
        self.logic.shutdown()
        self._results.cleanup()
        self.setParameterNode(None)
        self._inputWatch.stop()
        self.removeObservers()

    def enter(self):
        """Shows the scene's parameters when the user opens the module."""
        self.initializeParameterNode()

    def exit(self):
        """Lets a run continue when the user opens another module; it adds its results when it is done."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self._results.stopComparing()
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller, _event):
        """Drops the run under way, because Slicer closes its scene."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self.selfTest.drop()
        self.runMonitor.drop()
        self._results.stopComparing()
        self._status = ""
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller, _event):
        """Starts again in the empty scene if the panel is open."""
        self._results.dropRun()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartSave(self, _caller, _event):
        """Removes the preview: the saved views must not refer to a volume that is not saved."""
        self.livePreview.withdraw()

    def onSceneEndSave(self, _caller, _event):
        """Brings the preview back."""
        self.livePreview.changed()

    # Parameters

    def initializeParameterNode(self):
        """Shows the scene's parameters; creates them if the scene has none."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self.parameterNode.inputVolume:
            self.parameterNode.inputVolume = _shownVolume()
        # It depends on this computer, so ignore the value in a scene from another one.
        self.parameterNode.livePreview = self.livePreview.isOnByDefault

    def setParameterNode(self, parameterNode: Parameters | None):
        """Binds the widgets to other parameters, or to none."""
        if self.parameterNode:
            self.parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self.parameterNode = parameterNode
        if self.parameterNode:
            self._parameterNodeGuiTag = self.parameterNode.connectGui(self.ui)
            self.addObserver(self.parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self._onParametersChanged()

    def _onParametersChanged(self, _caller=None, _event=None):
        parameters = self.parameterNode
        if parameters:
            if parameters.box and parameters.box not in self._inputWatch.nodes:
                parameters.box.SetDisplayVisibility(True)  # A box from the list may be hidden.
            _showText(self.ui.modelComboBox, parameters.model or DEFAULT_BUNDLE)
            self.ui.uptakeSuvSpinBox.enabled = parameters.uptake is not Uptake.MODEL
        nodes = (parameters.inputVolume, parameters.box) if parameters else ()
        self._inputWatch.follow([node for node in nodes if node])
        self.livePreview.changed()
        self._checkCanApply()

    # Box, seed and model

    def onPlaceBoxToggled(self, checked: bool):
        """Starts or stops waiting for a click in a view."""
        if checked:
            self._boxPlacing.start()
        else:
            self._boxPlacing.stop()
        self._checkCanApply()

    def onBoxPlaced(self, centerRas: Sequence[float]):
        """Places a box around the point that the user clicked (world RAS, mm), and moves the slice views there."""
        with slicer.util.tryWithErrorDisplay(_("The box could not be placed.")):
            before = self.parameterNode.box
            self.parameterNode.box = self.logic.placeDefaultBox(self.parameterNode.inputVolume, centerRas)
            if before:
                before.SetDisplayVisibility(False)
            jump = slicer.vtkMRMLSliceNode.OffsetJumpSlice
            slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *centerRas, jump)

    def _onPlacingEnded(self):
        self.ui.placeBoxButton.checked = False

    def onDiceButton(self):
        """Draws a random seed."""
        self.parameterNode.seed = random.randrange(1_000_000)

    def onModelChosen(self, name: str):
        """Takes the installed model that the user chose."""
        if self.parameterNode and name and name != (self.parameterNode.model or DEFAULT_BUNDLE):
            self._chooseModel(name)

    def onModelFolderButton(self):
        """Asks for the folder of the user's own model."""
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Folder of a TumorGen model"))
        if folder:
            self._chooseModel(folder)

    def _chooseModel(self, model: str):
        """Takes a model with its steps and solver. If it cannot be read, the status line says so."""
        self.parameterNode.model = model
        with contextlib.suppress(ModelBundleError):
            sampling = bundle_sampling(model)
            self.parameterNode.steps, self.parameterNode.solver = sampling.steps, Solver(sampling.solver)

    # Runs

    def onApplyButton(self):
        """Starts a run, or cancels the one under way."""
        if self.runMonitor.isActive:
            self.runMonitor.cancel()
            self._checkCanApply()
        elif not self._isStarting:
            with slicer.util.tryWithErrorDisplay(_("The tumor could not be inserted.")):
                self._startRun()

    def _startRun(self):
        # Slicer handles events while it installs packages: a second press must do nothing.
        self._isStarting = True
        self._status = _("Getting ready ...")
        self._results.stopComparing()
        self._checkCanApply()
        parameters = self.parameterNode
        inputVolume, self._stepsOfRun = parameters.inputVolume, parameters.steps
        saidBeforeRun = self.logic.warnings(inputVolume, [parameters.box])
        try:
            insertion = self.logic.startInsertion(
                inputVolume,
                [parameters.box],
                tumorRequest(parameters),
                seeds=range(parameters.seed, parameters.seed + parameters.variants),
                **runOptions(parameters),
            )
            self._results.beginRun(inputVolume, saidBeforeRun)
            self.runMonitor.watch(insertion)
        finally:
            self._isStarting = False
            self._status = ""
            self._checkCanApply()

    def _showProgress(self, insertion: Insertion):
        progress = insertion.progress
        self.ui.progressBar.maximum = progress.stepsInAll
        self.ui.progressBar.value = progress.stepsDone
        doing = _("Canceling") if self.runMonitor.isCancelled else progress.text.capitalize()
        self._status = _("{doing}, {seconds:.1f} s").format(doing=doing, seconds=progress.secondsElapsed)
        self._results.addVariants(insertion.addReady())
        self._checkCanApply()

    def _onRunFinished(self, insertion: Insertion):
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

    def _onRunEnded(self):
        self.livePreview.changed()  # The user may have changed something meanwhile.
        self._checkCanApply()

    def _onResultShown(self):
        self.livePreview.settle()

    # Self-test

    def _startSelfTest(self) -> SelfTest:
        return self.logic.startSelfTest(device=self.parameterNode.device.value)

    def _onSelfTestStarts(self):
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self._results.stopComparing()

    def _showSelfTest(self, progress: Progress):
        self.ui.progressBar.maximum = progress.stepsInAll
        self.ui.progressBar.value = progress.stepsDone
        self._status = _("Self-test: {doing}, {seconds:.0f} s").format(
            doing=progress.text, seconds=progress.secondsElapsed
        )
        self._checkCanApply()

    def _onSelfTestEnded(self, message: str):
        self.livePreview.settle()  # Its words would take the place of the message.
        self._say(message)

    def _say(self, text: str):
        self._status = text
        self._checkCanApply()

    @property
    def _isBusy(self) -> bool:
        return self._isStarting or self.runMonitor.isActive or self.selfTest.isActive

    def _checkCanApply(self):
        """Enables the buttons, and says why Apply cannot be pressed."""
        parameters = self.parameterNode
        isBusy = self._isBusy
        problem, warnings = "", []
        if parameters and not isBusy:
            boxes = [parameters.box] if parameters.box else []
            problem = self.logic.problem(parameters.inputVolume, boxes, parameters.model or DEFAULT_BUNDLE)
            warnings = self.logic.warnings(parameters.inputVolume, boxes) if not problem else []
        canCancel = self.runMonitor.isActive and not self.runMonitor.isCancelled
        self.ui.applyButton.text = _("Cancel") if self.runMonitor.isActive else _("Apply")
        self.ui.applyButton.enabled = canCancel or (parameters is not None and not isBusy and not problem)
        self.ui.placeBoxButton.enabled = parameters is not None and parameters.inputVolume is not None
        self.ui.progressBar.visible = self.runMonitor.isActive or self.selfTest.isActive
        self.selfTest.update(parameters is None or self._isStarting or self.runMonitor.isActive)
        if self._boxPlacing.isActive:
            problem = _("Click in a slice view where you want the tumor.")
        _showMessage(self.ui.statusLabel, problem or self._status)
        _showMessage(self.ui.warningsLabel, "\n".join(f"\u2022 {line}" for line in warnings))


def _showMessage(label: qt.QLabel, text: str):
    label.text = text
    label.visible = bool(text)


def _showText(comboBox: qt.QComboBox, text: str):
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


class TumorGenSlicerLogic(ScriptedLoadableModuleLogic, InsertionLogic):
    """Inserts tumors, for the panel and for the Python console.

    Example:
        >>> logic = TumorGenSlicerLogic()
        >>> volumeNode, segmentationNode = logic.insertTumor(petNode, roiNode, seed=7)
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)  # It calls InsertionLogic's through super().

    def getParameterNode(self) -> Parameters:
        """The scene's parameters of this module."""
        return Parameters(super().getParameterNode())

    def startSelfTest(self, **settings: Any) -> SelfTest:
        """Begins a self-test in Slicer's scene and returns at once; see ``SelfTest`` for the settings."""
        return SelfTest(**settings)

    def selfTest(self, path: str | Path | None = None, **settings: Any) -> str:
        """Runs the self-test, prints the result of each step, and writes a report. The scene is then as it was.

        Args:
            path: of the report, Markdown; None takes a new file in Slicer's folder for documents.
            settings: see ``SelfTest``.

        Returns:
            The path of the report.
        """
        path = Path(path or reportPath())
        report = runSelfTest(self.startSelfTest(onStep=lambda step: print(step.line), **settings))
        report.write(path)
        print(f"Self-test: {report.summary}. You can send the report to the TumorGen developers.")
        return str(path)


class TumorGenSlicerTest(ScriptedLoadableModuleTest):
    """Runs the self-test with few steps, in a coarse phantom, with the shipped model."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_selfTest()

    def test_selfTest(self):
        """No step of the self-test fails."""
        if missing := missingPackages():
            self.skipTest(f"Not installed: {', '.join(missing)}.")
        self.delayDisplay("Running the self-test")
        logic = TumorGenSlicerLogic()
        quick = {"spacingMm": (8.0, 8.0, 8.0), "boxMm": 25.0, "steps": 2}
        test = logic.startSelfTest(onStep=lambda step: print(step.line), **quick)
        failed = runSelfTest(test).failed
        logic.shutdown()
        self.assertEqual(failed, [])
        self.delayDisplay("Test passed")
