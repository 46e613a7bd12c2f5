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
from TumorGenSlicerLib.panel.parameters import Parameters, Solver, Uptake, runOptions, tumorRequest
from TumorGenSlicerLib.panel.preview_panel import LivePreview
from TumorGenSlicerLib.panel.results_panel import ResultsPanel
from TumorGenSlicerLib.panel.run_monitor import RunMonitor
from TumorGenSlicerLib.run.logic import Insertion, InsertionLogic
from TumorGenSlicerLib.scene.sample_data import addPhantom, registerSampleData

#: Changes of volume and box are looked at once they pause this long, ms.
SETTLE_MS = 150


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
    """The module's panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode: Parameters | None = None
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
        self._boxPlacing = BoxPlacing(self._onBoxPlaced, self._onPlacingEnded)
        self._runMonitor = RunMonitor(self._showProgress, self._onRunFinished, self._onRunEnded)
        self._results = ResultsPanel(self.ui, self.logic, self._onResultShown)
        self._livePreview = LivePreview(
            self.ui.livePreviewCheckBox,
            self.logic,
            lambda: self._parameterNode,
            lambda: self._isStarting or self._runMonitor.isActive,
            self._results.stopComparing,
            self._say,
        )
        self._isStarting = False
        self._inputOfRun, self._stepsOfRun = None, 0
        self._status = ""
        self._watched: list[slicer.vtkMRMLNode] = []
        self._settleTimer = qt.QTimer()
        self._settleTimer.setInterval(SETTLE_MS)
        self._settleTimer.setSingleShot(True)
        self._settleTimer.connect("timeout()", self._checkCanApply)

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
        self._settleTimer.stop()
        self._livePreview.withdraw()
        self._boxPlacing.stop()
        self._runMonitor.stop()
        self._results.cleanup()
        self.setParameterNode(None)
        self._settleTimer.stop()
        self.removeObservers()
        self.logic.shutdown()

    def enter(self):
        """The user opens the module."""
        self.initializeParameterNode()

    def exit(self):
        """The user opens another module: a run goes on, and its results are added when it is done."""
        self._livePreview.withdraw()
        self._boxPlacing.stop()
        self._results.stopComparing()
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller, _event):
        """A run under way belongs to a scene that is going."""
        self._livePreview.withdraw()
        self._boxPlacing.stop()
        self._runMonitor.drop()
        self._results.stopComparing()
        self._status = ""
        self.setParameterNode(None)

    def onSceneEndClose(self, _caller, _event):
        """Start anew in the empty scene, if the panel is open."""
        self._results.refresh()
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartSave(self, _caller, _event):
        """What is saved of the views must not be a preview, which is not saved itself."""
        self._livePreview.withdraw()

    def onSceneEndSave(self, _caller, _event):
        """The preview comes back."""
        self._livePreview.changed()

    # Parameters

    def initializeParameterNode(self):
        """Show the scene's parameters, made where it has none."""
        self.setParameterNode(self.logic.getParameterNode())
        if not self._parameterNode.inputVolume:
            self._parameterNode.inputVolume = _shownVolume()
        # It depends on the computer: what a scene from another one says does not count.
        self._parameterNode.livePreview = self._livePreview.isOnByDefault

    def setParameterNode(self, parameterNode: Parameters | None):
        """Bind the widgets to other parameters, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._onParametersChanged)
        self._onParametersChanged()

    def _onParametersChanged(self, _caller=None, _event=None):
        parameters = self._parameterNode
        if parameters:
            if parameters.box and parameters.box not in self._watched:
                parameters.box.SetDisplayVisibility(True)  # one that was chosen from the list may be hidden
            _showText(self.ui.modelComboBox, parameters.model or DEFAULT_BUNDLE)
            self.ui.uptakeSuvSpinBox.enabled = parameters.uptake is not Uptake.MODEL
        self._watch([node for node in (parameters.inputVolume, parameters.box) if node] if parameters else [])
        self._livePreview.changed()
        self._checkCanApply()

    def _watch(self, nodes: list[slicer.vtkMRMLNode]):
        """Notice when the volume or the box is changed, moved or transformed."""
        if nodes == self._watched:
            return
        for node in self._watched:
            for event in _changeEvents(node):
                self.removeObserver(node, event, self._onInputChanged)
        self._watched = nodes
        for node in nodes:
            for event in _changeEvents(node):
                self.addObserver(node, event, self._onInputChanged)

    def _onInputChanged(self, _caller, _event):
        self._settleTimer.start()
        self._livePreview.changed()

    # Box, seed and model

    def onPlaceBoxToggled(self, checked: bool):
        """Ask for a click in a view, or ask no longer."""
        if checked:
            self._boxPlacing.start()
        else:
            self._boxPlacing.stop()
        self._checkCanApply()

    def _onBoxPlaced(self, centerRas: Sequence[float]):
        with slicer.util.tryWithErrorDisplay(_("The box could not be placed.")):
            before = self._parameterNode.box
            self._parameterNode.box = self.logic.placeDefaultBox(self._parameterNode.inputVolume, centerRas)
            if before:
                before.SetDisplayVisibility(False)
            jump = slicer.vtkMRMLSliceNode.OffsetJumpSlice
            slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *centerRas, jump)

    def _onPlacingEnded(self):
        self.ui.placeBoxButton.checked = False

    def onDiceButton(self):
        """Draw a seed."""
        self._parameterNode.seed = random.randrange(1_000_000)

    def onModelChosen(self, name: str):
        """The user chose an installed model."""
        if self._parameterNode and name and name != (self._parameterNode.model or DEFAULT_BUNDLE):
            self._chooseModel(name)

    def onModelFolderButton(self):
        """Ask for the folder of a model of the user's own."""
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Folder of a TumorGen model"))
        if folder:
            self._chooseModel(folder)

    def _chooseModel(self, model: str):
        """Take a model, and what it is sampled with; one that cannot be read says so in the status line."""
        self._parameterNode.model = model
        with contextlib.suppress(ModelBundleError):
            sampling = bundle_sampling(model)
            self._parameterNode.steps, self._parameterNode.solver = sampling.steps, Solver(sampling.solver)

    # Runs

    def onApplyButton(self):
        """Start a run, or cancel the one under way."""
        if self._runMonitor.isActive:
            self._runMonitor.cancel()
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
        parameters = self._parameterNode
        self._inputOfRun, self._stepsOfRun = parameters.inputVolume, parameters.steps
        saidBeforeRun = self.logic.warnings(parameters.inputVolume, [parameters.box])
        try:
            insertion = self.logic.startInsertion(
                self._inputOfRun,
                [parameters.box],
                tumorRequest(parameters),
                seeds=range(parameters.seed, parameters.seed + parameters.variants),
                **runOptions(parameters),
            )
            self._results.beginRun(self._inputOfRun, saidBeforeRun)
            self._runMonitor.watch(insertion)
        finally:
            self._isStarting = False
            self._status = ""
            self._checkCanApply()

    def _showProgress(self):
        progress = self._runMonitor.progress
        self.ui.progressBar.maximum = progress.stepsInAll
        self.ui.progressBar.value = progress.stepsDone
        doing = _("Cancelling") if self._runMonitor.isCancelled else progress.text.capitalize()
        self._status = _("{doing}, {seconds:.1f} s").format(doing=doing, seconds=progress.secondsElapsed)
        with slicer.util.tryWithErrorDisplay(_("A tumor could not be shown.")):
            self._results.addVariants(self._runMonitor.ready())
        self._checkCanApply()

    def _onRunFinished(self, insertion: Insertion):
        self._status = _("Failed; the scene is as it was.")
        with slicer.util.tryWithErrorDisplay(_("The tumor could not be inserted."), waitCursor=True):
            try:
                self._results.addVariants(insertion.addReady())
                variants = insertion.addResults()
            except CancelledError:
                self._status = _("Cancelled; the scene is as it was.")
                return
            self._results.endRun(variants)
            done = _("Done in {seconds:.1f} s.").format(seconds=insertion.progress.secondsElapsed)
            self._status = f"{done} {self._livePreview.learn(variants, self._stepsOfRun)}".strip()

    def _onRunEnded(self):
        self._livePreview.changed()  # For what was changed meanwhile.
        self._checkCanApply()

    def _onResultShown(self):
        self._livePreview.settle()

    def _say(self, text: str):
        self._status = text
        self._checkCanApply()

    def _checkCanApply(self):
        """Say what can be pressed, and why not."""
        self._settleTimer.stop()
        parameters = self._parameterNode
        isBusy = self._isStarting or self._runMonitor.isActive
        problem, warnings = "", []
        if parameters and not isBusy:
            boxes = [parameters.box] if parameters.box else []
            problem = self.logic.problem(parameters.inputVolume, boxes, parameters.model or DEFAULT_BUNDLE)
            warnings = self.logic.warnings(parameters.inputVolume, boxes) if not problem else []
        canCancel = self._runMonitor.isActive and not self._runMonitor.isCancelled
        self.ui.applyButton.text = _("Cancel") if self._runMonitor.isActive else _("Apply")
        self.ui.applyButton.enabled = canCancel or (parameters is not None and not isBusy and not problem)
        self.ui.placeBoxButton.enabled = parameters is not None and parameters.inputVolume is not None
        self.ui.progressBar.visible = self._runMonitor.isActive
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


def _changeEvents(node: slicer.vtkMRMLNode) -> list[int]:
    events = [vtk.vtkCommand.ModifiedEvent, slicer.vtkMRMLTransformableNode.TransformModifiedEvent]
    if node.IsA("vtkMRMLMarkupsNode"):
        events.append(slicer.vtkMRMLMarkupsNode.PointModifiedEvent)
    return events


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
