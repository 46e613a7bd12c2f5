"""InsertionLogic: what the console, the headless script and the module's panel call."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from numpy.typing import NDArray

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_folder, bundle_sampling, installed_bundles, read_metadata
from TumorGenCore.errors import (
    CancelledError,
    InvalidBoxError,
    ModelBundleError,
    TumorGenError,
    UnknownUnitsError,
    UnsupportedVolumeError,
    with_remedy,
)
from TumorGenCore.insertion.box_warnings import box_warnings
from TumorGenCore.insertion.candidates import check_least_quality
from TumorGenCore.method.solver_names import Solver
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.dependencies import DependencyError, ensureDependencies, missingPackages
from TumorGenSlicerLib.run.insertion import InsertionRequest, VariantResult, forgetModel, runRequest
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS
from TumorGenSlicerLib.run.preview_run import PreviewRequest, PreviewResult, forgetPreparedBox, runPreview, surroundings
from TumorGenSlicerLib.run.worker import BusyError, Job, Progress, Worker, sharedWorker
from TumorGenSlicerLib.scene.geometry import addBoxNode, roiBox, volumeAxesRas, volumeGrid, volumeImage, voxelArray
from TumorGenSlicerLib.scene.result_nodes import (
    InputSnapshot,
    Variant,
    addVariant,
    allOrNothing,
    removeNodes,
    uniqueName,
)
from TumorGenSlicerLib.scene.units import TAKEN_AS_SUV, implausibleUnits, unitsOfVolume

if TYPE_CHECKING:
    from TumorGenCore.insertion.uptake_control import UptakeTarget

__all__ = ["BusyError", "Insertion", "InsertionLogic", "Preview", "Progress", "Variant"]

#: Edge of the box that one click places, mm.
DEFAULT_BOX_MM = 40.0
#: Points along each edge of a box at which its tissue is looked at before a run.
_PROBES = 16
_POLL_SECONDS = 0.02


class Insertion:
    """A run under way. For the main thread only.

    Example:
        >>> insertion = logic.startInsertion(volumeNode, [roiNode], seeds=[7])
        >>> # from a timer of 40 ms: isFinished = insertion.wait(0.03), insertion.progress
        >>> variants = insertion.addResults()
    """

    def __init__(self, logic: InsertionLogic, job: Job, source: InputSnapshot, roiNodes: Sequence[Any]) -> None:
        self._logic, self._job, self._source, self._roiNodes = logic, job, source, list(roiNodes)
        self._segmentNames = ["Tumor"] if len(roiNodes) == 1 else [node.GetName() or "Tumor" for node in roiNodes]
        self._isTaken = False

    @property
    def progress(self) -> Progress:
        """How far the run is; cheap to ask."""
        return self._job.progress

    @property
    def isFinished(self) -> bool:
        """Whether the worker is done with it: ok, failed or cancelled."""
        return self._job.isFinished

    def cancel(self) -> None:
        """Stop within one sampling step; ``addResults`` then raises ``CancelledError``."""
        self._job.cancel()

    def wait(self, timeoutSeconds: float | None = None) -> bool:
        """Block until the run is finished, at most so long; whether it is.

        Slicer's main thread keeps Python's interpreter lock while it waits for events, so that the worker stands still:
        whoever follows a run from a timer must call this, for most of the timer's interval.
        """
        return self._job.wait(timeoutSeconds)

    def addResults(self) -> list[Variant]:
        """Add the nodes of all variants to the scene, or none; once, after ``isFinished``.

        Raises:
            CancelledError: the run was cancelled, also when it was too late to stop it.
            UnsupportedVolumeError, InvalidBoxError: the volume or a box was removed from the scene during the run.
            TumorGenError, ValueError: what stopped the run.
            RuntimeError: not finished yet, or asked a second time.
        """
        if not self.isFinished:
            raise RuntimeError("The run is still under way; ask for its results when isFinished.")
        if self._isTaken:
            raise RuntimeError("The results of this run were added already.")
        self._isTaken = True
        self._requireInputs()
        results: list[VariantResult] = self._job.result()
        if self._job.isCancelled:
            raise CancelledError("Cancelled; nothing was changed.")
        return self._logic._add(self._source, results, self._segmentNames)

    def _requireInputs(self) -> None:
        scene = self._logic.scene
        if not scene.IsNodePresent(self._source.volumeNode):
            raise UnsupportedVolumeError("The volume was removed during the run; its result was dropped.")
        if not all(scene.IsNodePresent(node) for node in self._roiNodes):
            raise InvalidBoxError("A box was removed during the run; its result was dropped.")

    def _cancelIfOrphaned(self) -> None:
        try:
            self._requireInputs()
        except TumorGenError:
            self.cancel()


class Preview:
    """A quick tumor under way, which adds nothing to the scene. For the main thread only.

    Any other run or preview, also of another logic, cancels it at its next step.
    """

    def __init__(self, job: Job, volumeNode: Any, units: PetUnits) -> None:
        self._job, self.volumeNode, self.units = job, volumeNode, units

    def cancel(self) -> None:
        """Stop within one sampling step."""
        self._job.cancel()

    def wait(self, timeoutSeconds: float | None = None) -> bool:
        """Block until it is finished, at most so long; whether it is. See ``Insertion.wait``."""
        return self._job.wait(timeoutSeconds)

    def result(self) -> PreviewResult:
        """The voxels of the box; waits for them.

        Raises:
            CancelledError: it was cancelled, also when it was too late to stop it.
            TumorGenError, ValueError: what stopped it.
        """
        result: PreviewResult = self._job.result()
        if self._job.isCancelled:
            raise CancelledError("The preview was cancelled.")
        return result


class InsertionLogic:
    """Inserts tumors into volume nodes of one scene.

    The model stays loaded between runs, also between logics: one worker thread and one model serve the whole process.

    Args:
        scene: of the nodes; Slicer's own if None.
        worker: does the work; the process's own if None.

    Example:
        >>> logic = InsertionLogic()
        >>> volume, segmentation = logic.insertTumor(pet, roi, seed=7)
    """

    #: Where the factor to SUV is given, for messages; a front end with another place for it says so here.
    factorRemedy = "The argument is suvFactor."

    def __init__(self, scene: Any = None, worker: Worker | None = None) -> None:
        self.scene = slicer.mrmlScene if scene is None else scene
        self._worker = worker or sharedWorker()
        self._current: Insertion | None = None
        self._runs: list[list[Variant]] = []
        self._observation: int | None = None

    def insertTumor(
        self,
        volumeNode: Any,
        roiNode: Any,
        *,
        seed: int = 0,
        steps: int | None = None,
        solver: Solver | None = None,
        model: str = DEFAULT_BUNDLE,
        device: str = "auto",
        suvFactor: float | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
        softMask: bool = False,
        onProgress: Callable[[Progress], None] | None = None,
    ) -> tuple[Any, Any]:
        """Insert one tumor and wait for it; Slicer stays alive meanwhile.

        Args:
            volumeNode: PET, a scalar volume node; it is not changed.
            roiNode: markups ROI node; may be rotated and may reach past the volume.
            seed: the same seed gives the same tumor on a given device and thread count.
            steps: of the solver; None takes the model's own, as with the solver.
            solver: ``euler``, ``heun`` or ``adams``.
            model: bundle name (see ``modelNames``) or folder.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
            suvFactor: SUV per unit of voxel value; None asks the volume, its units and its DICOM series.
            target: SUVmax or SUVmean that each tumor shall have; None leaves it to the bundle.
            fill: share of its box's volume that each tumor shall fill, 0 to 1; None leaves it to the bundle.
            softMask: whether to add the soft mask as a volume (see ``results``).
            onProgress: called on this thread whenever the progress changes; what it raises cancels the run.

        Returns:
            The new volume node and the new segmentation node.

        Raises:
            As ``startInsertion`` and ``Insertion.addResults``.
        """
        (variant,) = self.insertTumors(
            volumeNode,
            [roiNode],
            seeds=(seed,),
            steps=steps,
            solver=solver,
            model=model,
            device=device,
            suvFactor=suvFactor,
            target=target,
            fill=fill,
            softMask=softMask,
            onProgress=onProgress,
        )
        return variant.volumeNode, variant.segmentationNode

    def insertTumors(
        self,
        volumeNode: Any,
        roiNodes: Sequence[Any],
        *,
        seeds: Sequence[int] = (0,),
        steps: int | None = None,
        solver: Solver | None = None,
        model: str = DEFAULT_BUNDLE,
        device: str = "auto",
        suvFactor: float | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
        softMask: bool = False,
        leastQuality: float | None = None,
        onProgress: Callable[[Progress], None] | None = None,
    ) -> list[Variant]:
        """Insert tumors and wait for them; see ``insertTumor``.

        Every seed gives one variant: a new volume with a tumor in each box, and a segmentation with a segment per box.
        The boxes are filled in their order, and a later box sees the tumors of those before; where boxes overlap, it
        replaces what they put there. The variants come best first.

        Args:
            leastQuality: a variant whose poorest tumor has a lower quality (0 to 1; 0.9 is the command line's) is
                drawn again with the next seeds, up to two redraws a seed; its warnings say so. None draws none again.
            others: see ``insertTumor``.
        """
        insertion = self.startInsertion(
            volumeNode,
            roiNodes,
            seeds=seeds,
            steps=steps,
            solver=solver,
            model=model,
            device=device,
            suvFactor=suvFactor,
            target=target,
            fill=fill,
            softMask=softMask,
            leastQuality=leastQuality,
        )
        _waitAlive(insertion, onProgress)
        return insertion.addResults()

    def startInsertion(
        self,
        volumeNode: Any,
        roiNodes: Sequence[Any],
        *,
        seeds: Sequence[int] = (0,),
        steps: int | None = None,
        solver: Solver | None = None,
        model: str = DEFAULT_BUNDLE,
        device: str = "auto",
        suvFactor: float | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
        softMask: bool = False,
        leastQuality: float | None = None,
    ) -> Insertion:
        """Begin a run and return at once; see ``insertTumors``. Missing packages are installed first.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, ModelBundleError: these nodes or this model cannot be used.
            BusyError: a run is under way.
            DependencyError: a package is missing and was not installed.
            ValueError: no seed, a least quality that is not 0 to 1, or steps or solver that cannot be used.
        """
        self._check(volumeNode, roiNodes, model)
        if not seeds:
            raise ValueError("There is no seed; give at least one.")
        check_least_quality(leastQuality)
        self._requireIdle()
        ensureDependencies()
        sampling = bundle_sampling(model).asked(steps, solver)
        image = volumeImage(volumeNode)
        units = self._units(volumeNode, suvFactor)
        remarks = [TAKEN_AS_SUV] if units.source == "taken as SUV" else []
        request = InsertionRequest(
            image=image,
            units=units,
            boxes=tuple(roiBox(node) for node in roiNodes),
            seeds=tuple(int(seed) for seed in seeds),
            steps=sampling.steps,
            solver=sampling.solver,
            model=model,
            device=device,
            target=target,
            fill=fill,
            softMask=softMask,
            leastQuality=leastQuality,
            warnings=(*remarks, *implausibleUnits(image, units, self.factorRemedy)),
        )
        job = self._worker.start(functools.partial(runRequest, request), request.stepsInAll)
        self._current = Insertion(self, job, InputSnapshot.of(volumeNode), roiNodes)
        self._observeScene()
        return self._current

    def startPreview(
        self,
        volumeNode: Any,
        roiNode: Any,
        *,
        seed: int = 0,
        steps: int = PREVIEW_STEPS,
        model: str = DEFAULT_BUNDLE,
        device: str = "auto",
        suvFactor: float | None = None,
        target: UptakeTarget | None = None,
        fill: float | None = None,
    ) -> Preview:
        """Begin a quick tumor for showing while a box is moved, and return at once.

        Only the surroundings of the box are read, so the cost does not grow with the volume. The same seed gives the
        tumor that ``insertTumor`` gives with as many steps of the solver ``adams``. For the arguments see there.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, ModelBundleError: these nodes or this model cannot be used.
            BusyError: a run is under way.
            DependencyError: a package is missing; it is not asked for and not installed.
        """
        self._check(volumeNode, [roiNode], model)
        self._requireIdle()
        if missing := missingPackages():
            raise DependencyError(f"TumorGen needs {', '.join(missing)}; press Apply once to install what is missing.")
        grid, box = volumeGrid(volumeNode), roiBox(roiNode)
        startIjk, region = surroundings(box, grid, _patchSettings(model))
        voxels = voxelArray(volumeNode)[region]
        request = PreviewRequest(
            image=grid.region(startIjk, voxels.shape[::-1]).image_from_array(voxels),
            startIjk=startIjk,
            units=self._units(volumeNode, suvFactor),
            box=box,
            seed=seed,
            steps=steps,
            model=model,
            device=device,
            target=target,
            fill=fill,
        )
        job = self._worker.start(functools.partial(runPreview, request), steps, givesWay=True)
        return Preview(job, volumeNode, request.units)

    def cancelAll(self) -> None:
        """Cancel the run of this logic, if there is one."""
        if self._current is not None:
            self._current.cancel()

    def shutdown(self) -> None:
        """Cancel, wait for the worker and let the model go. The logic may be used again afterwards."""
        if self._current is not None:
            self._current.cancel()
            self._current.wait()
            self._current = None
        if not self._worker.isBusy:  # Another logic of this process may be at work.
            self._worker.stop()
            forgetModel()
            forgetPreparedBox()
        if self._observation is not None:
            self.scene.RemoveObserver(self._observation)
            self._observation = None

    def problem(self, volumeNode: Any, roiNodes: Sequence[Any], model: str = DEFAULT_BUNDLE) -> str:
        """Why these cannot be run, as one plain sentence for beside the button; empty if they can.

        Cheap: neither voxels nor weights are read. NaN among the voxels, say, shows only in the run.
        """
        try:
            self._check(volumeNode, roiNodes, model)
        except TumorGenError as error:
            return str(error)
        return ""

    def warnings(self, volumeNode: Any, roiNodes: Sequence[Any]) -> list[str]:
        """What the user should know before running; cheap enough to call while a box is being dragged.

        Only the box's own region is looked at. Empty where ``problem`` has something to say.
        """
        try:
            grid, voxels = volumeGrid(volumeNode), voxelArray(volumeNode)
            boxes = [roiBox(node) for node in roiNodes]
        except TumorGenError:
            return []
        try:
            units = unitsOfVolume(volumeNode, quick=True)
        except UnsupportedVolumeError as error:
            return [with_remedy(error, self.factorRemedy)]
        lines = [TAKEN_AS_SUV] if units.source == "taken as SUV" else []
        for box in boxes:
            lines += box_warnings(box, grid, _probe(voxels, grid, box) * units.suv_factor)
        return list(dict.fromkeys(lines))

    def modelNames(self) -> list[str]:
        """Names of the model bundles that came with TumorGen, the default one first."""
        names = [folder.name for folder in installed_bundles()]
        return sorted(names, key=lambda name: (name != DEFAULT_BUNDLE, name))

    def placeDefaultBox(self, volumeNode: Any, centerWorldRas: Sequence[float]) -> Any:
        """A new ROI node: a 40 mm cube around a point (world RAS, mm), along the volume's axes, with handles.

        Raises:
            UnsupportedVolumeError: the volume has no usable geometry.
        """
        axes = volumeAxesRas(volumeNode)
        with allOrNothing(self.scene):
            name = uniqueName(self.scene, "Tumor box")
            roiNode = addBoxNode(self.scene, name, centerWorldRas, [DEFAULT_BOX_MM] * 3, axes)
            display = roiNode.GetDisplayNode()
            display.SetHandlesInteractive(True)
            display.SetTranslationHandleVisibility(True)
            display.SetScaleHandleVisibility(True)
            display.SetRotationHandleVisibility(True)
            display.SetPropertiesLabelVisibility(False)
            display.SetFillOpacity(0.1)  # The uptake inside must stay visible.
        return roiNode

    @property
    def results(self) -> list[Variant]:
        """Variants of this logic whose volume and segmentation are still in the scene, the oldest run first.

        Of each run the best comes first.
        """
        self._forgetRemovedNodes()
        return [variant for run in self._runs for variant in run]

    def removeVariant(self, variant: Variant) -> None:
        """Remove a variant's nodes from the scene, with their displays."""
        removeNodes(self.scene, variant.nodes)
        self._forgetRemovedNodes()

    def removeLastResult(self) -> bool:
        """Remove the variants of the newest run that are still there; False if there are none."""
        self._forgetRemovedNodes()
        if not self._runs:
            return False
        removeNodes(self.scene, [node for variant in self._runs[-1] for node in variant.nodes])
        self._forgetRemovedNodes()
        return True

    def _check(self, volumeNode: Any, roiNodes: Sequence[Any], model: str) -> None:
        if volumeNode is None:
            raise UnsupportedVolumeError("Choose a PET volume.")
        if not roiNodes or any(node is None for node in roiNodes):
            raise InvalidBoxError("Place a box where the tumor shall be.")
        grid, settings = volumeGrid(volumeNode), _patchSettings(model)
        for node in roiNodes:
            box = roiBox(node)
            WorkingPatch.around(box.canonical(), settings)
            if not box.holds_voxels(grid):
                raise InvalidBoxError("The box lies outside the volume; move it onto the image.")

    def _units(self, volumeNode: Any, suvFactor: float | None) -> PetUnits:
        try:
            return unitsOfVolume(volumeNode, suvFactor)
        except UnknownUnitsError as error:
            raise UnsupportedVolumeError(with_remedy(error, self.factorRemedy)) from error

    def _requireIdle(self) -> None:
        if self._worker.isBusy:
            raise BusyError("A run is under way; wait for it or cancel it first.")

    def _add(
        self, source: InputSnapshot, results: Sequence[VariantResult], segmentNames: Sequence[str]
    ) -> list[Variant]:
        with allOrNothing(self.scene):
            variants = [addVariant(self.scene, source, result, segmentNames) for result in results]
        self._runs.append(list(variants))
        return variants

    def _observeScene(self) -> None:
        """Follow removed nodes: their run is stopped, their memory let go. The scene must not keep the logic alive."""
        if self._observation is not None:
            return
        reference = weakref.ref(self)

        def onNodeRemoved(caller: Any, event: str) -> None:
            logic = reference()
            if logic is not None:
                logic._forgetRemovedNodes()

        self._observation = self.scene.AddObserver(self.scene.NodeRemovedEvent, onNodeRemoved)
        weakref.finalize(self, self.scene.RemoveObserver, self._observation)

    def _forgetRemovedNodes(self) -> None:
        present = self.scene.IsNodePresent
        for run in self._runs:
            run[:] = [v for v in run if present(v.volumeNode) and present(v.segmentationNode)]
            for variant in run:
                if variant.softMaskNode is not None and not present(variant.softMaskNode):
                    variant.softMaskNode = None
        self._runs = [run for run in self._runs if run]
        if self._current is not None:
            self._current._cancelIfOrphaned()


def _waitAlive(insertion: Insertion, onProgress: Callable[[Progress], None] | None) -> None:
    """Wait for a run while Slicer goes on handling events. Whatever interrupts the wait cancels the run."""
    processEvents = getattr(getattr(slicer, "app", None), "processEvents", None)
    shown: tuple[int, str] | None = None
    try:
        isFinished = False
        while not isFinished:
            isFinished = insertion.wait(_POLL_SECONDS)
            if processEvents is not None:
                processEvents()
            progress = insertion.progress
            if onProgress is not None and shown != (progress.stepsDone, progress.text):
                shown = (progress.stepsDone, progress.text)
                onProgress(progress)
    except BaseException:
        insertion.cancel()
        insertion.wait()
        raise


def _patchSettings(model: str) -> PatchSettings:
    """The working patch of a bundle, which says how large boxes may be; read without torch."""
    folder = bundle_folder(model)
    try:
        return PatchSettings(**read_metadata(folder)[0]["tumorgen"]["patch"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelBundleError(f"The metadata of bundle {folder.name} cannot be read; install it again.") from error


def _probe(voxels: NDArray, grid: Grid, box: Box) -> NDArray[np.float64]:
    """Values of the nearest voxels at points spread evenly over the box, as far as it lies on the volume."""
    along = (np.arange(_PROBES) + 0.5) / _PROBES - 0.5
    points = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1).reshape(-1, 3)
    index = np.rint(grid.lps_to_index(box.to_lps(points * np.asarray(box.size_mm)))).astype(np.int64)
    i, j, k = index[np.all((index >= 0) & (index < np.asarray(grid.size_ijk)), axis=-1)].T
    return voxels[k, j, i].astype(np.float64)
