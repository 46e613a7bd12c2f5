"""InsertionLogic: what the console, the headless script and the module's panel call."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
import slicer
from numpy.typing import NDArray

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_folder, installed_bundles, read_metadata
from TumorGenCore.errors import (
    InvalidBoxError,
    ModelBundleError,
    TumorGenError,
    UnknownUnitsError,
    UnsupportedVolumeError,
    with_remedy,
)
from TumorGenCore.insertion.box_warnings import box_warnings
from TumorGenCore.insertion.request import TumorRequest, check_seeds
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.dependencies import DependencyError, ensureDependencies, missingPackages
from TumorGenSlicerLib.run.insertion import RunInput, forgetModel, runInsertion
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS
from TumorGenSlicerLib.run.preview_run import forgetPreparedBox, runPreview, surroundings
from TumorGenSlicerLib.run.under_way import Insertion, Preview
from TumorGenSlicerLib.run.worker import BusyError, Progress, Worker, sharedWorker
from TumorGenSlicerLib.scene.geometry import addBoxNode, roiBox, volumeAxesRas, volumeGrid, volumeImage, voxelArray
from TumorGenSlicerLib.scene.result_nodes import InputSnapshot, Variant, allOrNothing, uniqueName
from TumorGenSlicerLib.scene.results import Results
from TumorGenSlicerLib.scene.units import TAKEN_AS_SUV, implausibleUnits, unitsOfVolume

__all__ = ["BusyError", "Insertion", "InsertionLogic", "Preview", "Progress", "RunOptions", "Variant"]


class RunOptions(TypedDict, total=False):
    """How a run is made.

    Args:
        model: bundle name (see ``modelNames``) or folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        suvFactor: SUV per unit of voxel value; None asks the volume, its units and its DICOM series.
        softMask: whether to add the soft mask as a volume (see ``results``).
    """

    model: str
    device: str
    suvFactor: float | None
    softMask: bool


_USUAL = RunOptions(model=DEFAULT_BUNDLE, device="auto", suvFactor=None, softMask=False)
_WHATEVER_GROWS = TumorRequest()
_PREVIEW = TumorRequest(steps=PREVIEW_STEPS, solver="adams")

#: Edge of the box that one click places, mm.
DEFAULT_BOX_MM = 40.0
#: Points along each edge of a box at which its tissue is looked at before a run.
_PROBES = 16
_POLL_SECONDS = 0.02


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
        self._results = Results(self.scene)
        self._observation: int | None = None

    def insertTumor(
        self,
        volumeNode: Any,
        roiNode: Any,
        request: TumorRequest = _WHATEVER_GROWS,
        *,
        seed: int = 0,
        onProgress: Callable[[Progress], None] | None = None,
        **options: Unpack[RunOptions],
    ) -> tuple[Any, Any]:
        """Insert one tumor and wait for it; Slicer stays alive meanwhile.

        Args:
            volumeNode: PET, a scalar volume node; it is not changed.
            roiNode: markups ROI node; may be rotated and may reach past the volume.
            request: what the tumor shall be like, such as ``TumorRequest(suv_max=8)``.
            seed: the same seed gives the same tumor on a given device and thread count.
            onProgress: called on this thread whenever the progress changes; what it raises cancels the run.
            options: model, device, suvFactor and softMask, see ``RunOptions``.

        Returns:
            The new volume node and the new segmentation node.

        Raises:
            As ``startInsertion`` and ``Insertion.addResults``.
        """
        (variant,) = self.insertTumors(volumeNode, [roiNode], request, seeds=(seed,), onProgress=onProgress, **options)
        return variant.volumeNode, variant.segmentationNode

    def insertTumors(
        self,
        volumeNode: Any,
        roiNodes: Sequence[Any],
        request: TumorRequest = _WHATEVER_GROWS,
        *,
        seeds: Sequence[int] = (0,),
        onProgress: Callable[[Progress], None] | None = None,
        **options: Unpack[RunOptions],
    ) -> list[Variant]:
        """Insert tumors and wait for them; see ``insertTumor``.

        Every seed gives one variant: a new volume with a tumor in each box, and a segmentation with a segment per box.
        The boxes are filled in their order, and a later box sees the tumors of those before; where boxes overlap, it
        replaces what they put there. The variants come best first. With ``request.least_quality`` (0.9 is the command
        line's) a poorer tumor is drawn again with the next seeds, up to two redraws a seed; the warnings say so.
        """
        insertion = self.startInsertion(volumeNode, roiNodes, request, seeds=seeds, **options)
        _waitAlive(insertion, onProgress)
        return insertion.addResults()

    def startInsertion(
        self,
        volumeNode: Any,
        roiNodes: Sequence[Any],
        request: TumorRequest = _WHATEVER_GROWS,
        *,
        seeds: Sequence[int] = (0,),
        **options: Unpack[RunOptions],
    ) -> Insertion:
        """Begin a run and return at once; see ``insertTumors``. Missing packages are installed first.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, ModelBundleError: these nodes or this model cannot be used.
            InvalidRequestError: no seed, or one that cannot be used.
            BusyError: a run is under way.
            DependencyError: a package is missing and was not installed.
        """
        settings = _settings(options)
        self._check(volumeNode, roiNodes, settings["model"])
        check_seeds(seeds)
        self._requireIdle()
        ensureDependencies()
        image = volumeImage(volumeNode)
        units = self._units(volumeNode, settings["suvFactor"])
        remarks = [TAKEN_AS_SUV] if units.source == "taken as SUV" else []
        warnings = (*remarks, *implausibleUnits(image, units, self.factorRemedy))
        boxes = tuple(roiBox(node) for node in roiNodes)
        source = self._input(image, units, boxes, seeds, request, settings)
        job = self._worker.start(functools.partial(runInsertion, source, settings["softMask"]), source.plannedSteps)
        snapshot = InputSnapshot.of(volumeNode, roiNodes, warnings)
        self._current = Insertion(self._results, job, snapshot, settings["softMask"])
        self._observeScene()
        return self._current

    def startPreview(
        self,
        volumeNode: Any,
        roiNode: Any,
        request: TumorRequest = _PREVIEW,
        *,
        seed: int = 0,
        **options: Unpack[RunOptions],
    ) -> Preview:
        """Begin a quick tumor for showing while a box is moved, and return at once.

        Only the surroundings of the box are read, so the cost does not grow with the volume. The same seed and request
        give the tumor that ``insertTumor`` gives. For the arguments see there.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, ModelBundleError: these nodes or this model cannot be used.
            BusyError: a run is under way.
            DependencyError: a package is missing; it is not asked for and not installed.
        """
        settings = _settings(options)
        self._check(volumeNode, [roiNode], settings["model"])
        self._requireIdle()
        if missing := missingPackages():
            raise DependencyError(f"TumorGen needs {', '.join(missing)}; press Apply once to install what is missing.")
        grid, box = volumeGrid(volumeNode), roiBox(roiNode)
        startIjk, region = surroundings(box, grid, _patchSettings(settings["model"]))
        voxels = voxelArray(volumeNode)[region]
        image = grid.region(startIjk, voxels.shape[::-1]).image_from_array(voxels)
        units = self._units(volumeNode, settings["suvFactor"])
        source = self._input(image, units, (box,), (seed,), request, settings)
        job = self._worker.start(functools.partial(runPreview, source, startIjk), source.plannedSteps, givesWay=True)
        return Preview(job, volumeNode, units)

    def cancelAll(self) -> None:
        """Cancel the run of this logic, if there is one."""
        if self._current is not None:
            self._current.cancel()

    def shutdown(self) -> None:
        """Cancel, wait for the worker and let the model go. The logic may be used again afterwards."""
        if self._current is not None:
            self._current.drop()
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

        Of each run that has ended the best comes first.
        """
        return self._results.all

    def removeVariant(self, variant: Variant) -> None:
        """Remove a variant's nodes from the scene, with their displays."""
        self._results.remove(variant)

    def removeLastResult(self) -> bool:
        """Remove the variants of the newest run that are still there; False if there are none."""
        return self._results.removeLast()

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

    @staticmethod
    def _input(
        image: Any,
        units: PetUnits,
        boxes: tuple[Box, ...],
        seeds: Sequence[int],
        request: TumorRequest,
        settings: RunOptions,
    ) -> RunInput:
        return RunInput(
            image, units, boxes, tuple(int(seed) for seed in seeds), request, settings["model"], settings["device"]
        )

    def _observeScene(self) -> None:
        """Follow removed nodes: their run is stopped, their memory let go. The scene must not keep the logic alive."""
        if self._observation is not None:
            return
        reference = weakref.ref(self)

        def onNodeRemoved(caller: Any, event: str) -> None:
            logic = reference()
            if logic is not None:
                logic._followRemovedNodes()

        self._observation = self.scene.AddObserver(self.scene.NodeRemovedEvent, onNodeRemoved)
        weakref.finalize(self, self.scene.RemoveObserver, self._observation)

    def _followRemovedNodes(self) -> None:
        self._results.forgetRemovedNodes()
        if self._current is not None:
            self._current.cancelIfOrphaned()


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


def _settings(options: RunOptions) -> RunOptions:
    """The options with what is usual where they say nothing."""
    if unknown := set(options) - set(_USUAL):
        raise TypeError(f"There is no option {sorted(unknown)[0]!r}; the options are {', '.join(_USUAL)}.")
    return {**_USUAL, **options}


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
