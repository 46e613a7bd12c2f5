"""TumorGen as a module of 3D Slicer: synthetic PET tumors with their masks, from a rough box."""

import contextlib
import random
from collections.abc import Sequence

import numpy as np
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
from TumorGenCore.insertion.request import TumorRequest
from TumorGenSlicerLib.panel.box_placing import BoxPlacing
from TumorGenSlicerLib.panel.input_watch import InputWatch
from TumorGenSlicerLib.panel.parameters import Parameters, Solver, Uptake, runOptions, tumorRequest
from TumorGenSlicerLib.panel.preview_panel import LivePreview
from TumorGenSlicerLib.panel.results_panel import ResultsPanel
from TumorGenSlicerLib.panel.run_monitor import RunMonitor
from TumorGenSlicerLib.run.logic import Insertion, InsertionLogic
from TumorGenSlicerLib.scene.sample_data import addPhantom, registerSampleData


class TumorGenSlicer(ScriptedLoadableModule):
    """What Slicer shows of the module in its lists."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("TumorGen")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        parent.dependencies = ["Markups", "Segmentations", "SubjectHierarchy", "Terminologies", "Volumes"]
        parent.contributors = ["TumorGen developers"]
        parent.helpText = _(
            "Inserts a synthetic tumor into an FDG-PET volume where you place a rough box, together with its mask: "
            "choose the volume, press <b>Place box</b>, click in a slice view, press <b>Apply</b>. The volume itself "
            "is not changed; the result is a new volume and a segmentation. Outside of the box nothing differs.<br>"
            "<b>Research use, not for diagnosis.</b> The images are synthetic."
        )
        parent.acknowledgementText = _(
            "An independent implementation of the method of the paper <i>TumorGen: boundary-aware tumor-mask synthesis "
            "with rectified flow matching</i>."
        )
        slicer.app.connect("startupCompleted()", lambda: registerSampleData(self.resourcePath("Icons/FDGPhantom.png")))


class TumorGenSlicerWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel.

    Attributes:
        logic: what the panel calls; None before ``setup``.
        parameterNode: the scene's parameters; None while the panel shows none.
        runMonitor: looks after the run under way.
        livePreview: makes quick tumors while the box is moved.
    """

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameterNode: Parameters | None = None
        self._parameterNodeGuiTag: int | None = None

    # Set up and take down

    def setup(self):
        """Build the panel; Slicer calls this once, when the module is first opened."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/TumorGenSlicer.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.diceButton.icon = qt.QIcon(self.resourcePath("Icons/dice.svg"))
        self.ui.placeBoxButton.icon = qt.QIcon(self.resourcePath("Icons/place_box.svg"))

        self.logic = TumorGenSlicerLogic()
        self.logic.factorRemedy = _("Its place is Advanced > SUV per unit.")
        self.ui.modelComboBox.addItems(self.logic.modelNames())
        self._boxPlacing = BoxPlacing(self.onBoxPlaced, self._onPlacingEnded)
        self.runMonitor: RunMonitor[Insertion] = RunMonitor(self._showProgress, self._onRunFinished, self._onRunEnded)
        self._results = ResultsPanel(self.ui, self.logic, self._onResultShown)
        self.livePreview = LivePreview(
            self.ui.livePreviewCheckBox,
            self.logic,
            lambda: self.parameterNode,
            lambda: self._isStarting or self.runMonitor.isActive,
            self._results.stopComparing,
            self._say,
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
        """Slicer closes, or reloads the module: a run under way is dropped."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self.runMonitor.stop()
        self.logic.shutdown()
        self._results.cleanup()
        self.setParameterNode(None)
        self._inputWatch.stop()
        self.removeObservers()

    def enter(self):
        """The user opens the module."""
        self.initializeParameterNode()

    def exit(self):
        """The user opens another module: a run goes on, and its results are added when it is done."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self._results.stopComparing()
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller, _event):
        """A run under way belongs to a scene that is going."""
        self.livePreview.withdraw()
        self._boxPlacing.stop()
        self.runMonitor.drop()
        self._results.stopComparing()
        self._status = ""
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller, _event):
        """Start anew in the empty scene, if the panel is open."""
        self._results.dropRun()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartSave(self, _caller, _event):
        """What is saved of the views must not be a preview, which is not saved itself."""
        self.livePreview.withdraw()

    def onSceneEndSave(self, _caller, _event):
        """The preview comes back."""
        self.livePreview.changed()

    # Parameters

    def initializeParameterNode(self):
        """Show the scene's parameters, made where it has none."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self.parameterNode.inputVolume:
            self.parameterNode.inputVolume = _shownVolume()
        # It depends on the computer: what a scene from another one says does not count.
        self.parameterNode.livePreview = self.livePreview.isOnByDefault

    def setParameterNode(self, parameterNode: Parameters | None):
        """Bind the widgets to other parameters, or to none."""
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
                parameters.box.SetDisplayVisibility(True)  # one that was chosen from the list may be hidden
            _showText(self.ui.modelComboBox, parameters.model or DEFAULT_BUNDLE)
            self.ui.uptakeSuvSpinBox.enabled = parameters.uptake is not Uptake.MODEL
        nodes = (parameters.inputVolume, parameters.box) if parameters else ()
        self._inputWatch.follow([node for node in nodes if node])
        self.livePreview.changed()
        self._checkCanApply()

    # Box, seed and model

    def onPlaceBoxToggled(self, checked: bool):
        """Ask for a click in a view, or ask no longer."""
        if checked:
            self._boxPlacing.start()
        else:
            self._boxPlacing.stop()
        self._checkCanApply()

    def onBoxPlaced(self, centerRas: Sequence[float]):
        """Put a box around a point that the user clicked (world RAS, mm), and show it there."""
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
        """Draw a seed."""
        self.parameterNode.seed = random.randrange(1_000_000)

    def onModelChosen(self, name: str):
        """The user chose an installed model."""
        if self.parameterNode and name and name != (self.parameterNode.model or DEFAULT_BUNDLE):
            self._chooseModel(name)

    def onModelFolderButton(self):
        """Ask for the folder of a model of the user's own."""
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Folder of a TumorGen model"))
        if folder:
            self._chooseModel(folder)

    def _chooseModel(self, model: str):
        """Take a model, and what it is sampled with; one that cannot be read says so in the status line."""
        self.parameterNode.model = model
        with contextlib.suppress(ModelBundleError):
            sampling = bundle_sampling(model)
            self.parameterNode.steps, self.parameterNode.solver = sampling.steps, Solver(sampling.solver)

    # Runs

    def onApplyButton(self):
        """Start a run, or cancel the one under way."""
        if self.runMonitor.isActive:
            self.runMonitor.cancel()
            self._checkCanApply()
        elif not self._isStarting:
            with slicer.util.tryWithErrorDisplay(_("The tumor could not be inserted.")):
                self._startRun()

    def _startRun(self):
        # Slicer handles events while packages are being installed: there must be no second press.
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
        doing = _("Cancelling") if self.runMonitor.isCancelled else progress.text.capitalize()
        self._status = _("{doing}, {seconds:.1f} s").format(doing=doing, seconds=progress.secondsElapsed)
        self._results.addVariants(insertion.addReady())
        self._checkCanApply()

    def _onRunFinished(self, insertion: Insertion):
        self._status = _("Failed; the scene is as it was.")
        with slicer.util.tryWithErrorDisplay(_("The tumor could not be inserted."), waitCursor=True):
            try:
                self._results.addVariants(insertion.addReady())
                variants = insertion.addResults()
            except Exception as error:
                self._results.dropRun()
                if not isinstance(error, CancelledError):
                    raise
                self._status = _("Cancelled; the scene is as it was.")
                return
            self._results.endRun(variants)
            done = _("Done in {seconds:.1f} s.").format(seconds=insertion.progress.secondsElapsed)
            self._status = f"{done} {self.livePreview.learn(variants, self._stepsOfRun)}".strip()

    def _onRunEnded(self):
        self.livePreview.changed()  # For what was changed meanwhile.
        self._checkCanApply()

    def _onResultShown(self):
        self.livePreview.settle()

    def _say(self, text: str):
        self._status = text
        self._checkCanApply()

    def _checkCanApply(self):
        """Say what can be pressed, and why not."""
        parameters = self.parameterNode
        isBusy = self._isStarting or self.runMonitor.isActive
        problem, warnings = "", []
        if parameters and not isBusy:
            boxes = [parameters.box] if parameters.box else []
            problem = self.logic.problem(parameters.inputVolume, boxes, parameters.model or DEFAULT_BUNDLE)
            warnings = self.logic.warnings(parameters.inputVolume, boxes) if not problem else []
        canCancel = self.runMonitor.isActive and not self.runMonitor.isCancelled
        self.ui.applyButton.text = _("Cancel") if self.runMonitor.isActive else _("Apply")
        self.ui.applyButton.enabled = canCancel or (parameters is not None and not isBusy and not problem)
        self.ui.placeBoxButton.enabled = parameters is not None and parameters.inputVolume is not None
        self.ui.progressBar.visible = self.runMonitor.isActive
        if self._boxPlacing.isActive:
            problem = _("Click in a slice view where the tumor shall be.")
        _showMessage(self.ui.statusLabel, problem or self._status)
        _showMessage(self.ui.warningsLabel, "\n".join(f"\u2022 {line}" for line in warnings))


def _showMessage(label: qt.QLabel, text: str):
    label.text = text
    label.visible = bool(text)


def _showText(comboBox: qt.QComboBox, text: str):
    """Select an item, added where it is missing, without a signal."""
    wasBlocked = comboBox.blockSignals(True)
    if comboBox.findText(text) < 0:
        comboBox.addItem(text)
    comboBox.setCurrentIndex(comboBox.findText(text))
    comboBox.blockSignals(wasBlocked)


def _shownVolume() -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume in the background of the slice views, else the first of the scene."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = [slicer.mrmlScene.GetNodeByID(view.GetBackgroundVolumeID() or "") for view in views]
    candidates = [*shown, *slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    return next((node for node in candidates if node and node.GetClassName() == "vtkMRMLScalarVolumeNode"), None)


class TumorGenSlicerLogic(ScriptedLoadableModuleLogic, InsertionLogic):
    """What the console calls.

    Example:
        >>> logic = TumorGenSlicerLogic()
        >>> volumeNode, segmentationNode = logic.insertTumor(petNode, roiNode, seed=7)
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)  # and InsertionLogic's, by super()

    def getParameterNode(self) -> Parameters:
        """The scene's parameters of this module."""
        return Parameters(super().getParameterNode())


class TumorGenSlicerTest(ScriptedLoadableModuleTest):
    """Inserts a tumor in the phantom, with the shipped model."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_insertTumorInPhantom()

    def test_insertTumorInPhantom(self):
        """Two new nodes; outside of the box nothing is changed, inside something is."""
        self.delayDisplay("Making the phantom")
        volumeNode = addPhantom(spacing_mm=(8.0, 8.0, 8.0))
        logic = TumorGenSlicerLogic()
        boxNode = logic.placeDefaultBox(volumeNode, (78.0, -20.0, 465.0))  # in the right lung
        boxNode.SetSize(25.0, 25.0, 25.0)
        self.delayDisplay("Inserting a tumor")
        request = TumorRequest(steps=2)
        syntheticNode, segmentationNode = logic.insertTumor(volumeNode, boxNode, request, seed=1)
        before, after = (slicer.util.arrayFromVolume(node) for node in (volumeNode, syntheticNode))
        changed = np.argwhere(before != after)
        self.assertGreater(len(changed), 0)
        self.assertLessEqual((np.ptp(changed, axis=0) * 8.0).max(), 25.0)
        self.assertEqual(segmentationNode.GetSegmentation().GetNumberOfSegments(), 1)
        logic.shutdown()
        self.delayDisplay("Test passed")
