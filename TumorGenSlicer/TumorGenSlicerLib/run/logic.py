"""InsertionLogic: inserts tumors for the console, the headless script and the panel."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import numpy as np
import SimpleITK as sitk
import slicer
from numpy.typing import NDArray

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE, bundle_folder, installed_bundles, read_metadata
from TumorGenCore.errors import (
    InvalidBoxError,
    InvalidRequestError,
    TumorGenError,
    UnknownUnitsError,
    UnsupportedVolumeError,
    with_remedy,
)
from TumorGenCore.insertion.forewarnings import box_warnings, target_warnings
from TumorGenCore.insertion.placed import PlacedBox, place_box, tissue_suv
from TumorGenCore.insertion.reference import region_suv
from TumorGenCore.insertion.request import TumorRequest, check_seeds
from TumorGenCore.insertion.resolved import resolved
from TumorGenCore.insertion.targets import check_reachable, highest_suv
from TumorGenCore.lesions.organ_places import boxes_in_organ
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits, checked_units
from TumorGenCore.volumes.volume import PetVolume
from TumorGenSlicerLib.run.dependencies import ensureDependencies
from TumorGenSlicerLib.run.insertion import RunInput, forgetModel, runInsertion
from TumorGenSlicerLib.run.live_preview import PREVIEW_STEPS
from TumorGenSlicerLib.run.preview_run import forgetPreparedBox, runPreview, surroundings
from TumorGenSlicerLib.run.under_way import Insertion, Preview
from TumorGenSlicerLib.run.worker import BusyError, Progress, Worker, sharedWorker
from TumorGenSlicerLib.scene.geometry import (
    addBoxNode,
    boxInRas,
    roiBox,
    volumeAxesRas,
    volumeGrid,
    volumeImage,
    voxelArray,
)
from TumorGenSlicerLib.scene.placings import markPlacing
from TumorGenSlicerLib.scene.regions import regionName, regionVoxels
from TumorGenSlicerLib.scene.result_nodes import InputSnapshot, Variant, allOrNothing, changeVariant, uniqueName
from TumorGenSlicerLib.scene.results import Results
from TumorGenSlicerLib.scene.truth_table_node import addTruthTable
from TumorGenSlicerLib.scene.units import remarksOfVolume, unitsOfVolume

__all__ = ["BusyError", "Insertion", "InsertionLogic", "Preview", "Progress", "RunOptions", "Variant"]


class RunOptions(TypedDict, total=False):
    """Options of a run.

    Args:
        model: bundle name (see ``modelNames``) or folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        suvFactor: SUV per unit of voxel value; None takes it from the volume's units or its DICOM series.
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
#: Points along each edge of a box at which ``warnings`` samples its tissue.
_PROBES = 16
_POLL_SECONDS = 0.02


class InsertionLogic:
    """Inserts tumors into volume nodes of one scene.

    One worker thread and one model serve all logics of the process. The model stays loaded between runs.

    Args:
        scene: scene of the nodes; None means Slicer's own.
        worker: computes the runs; None means the worker that the process shares.

    Example:
        >>> logic = InsertionLogic()
        >>> volume, segmentation = logic.insertTumor(pet, roi, seed=7)
    """

    #: Sentence for messages that says how to give the factor to SUV; each front end sets its own.
    factorRemedy = "Pass it as suvFactor."

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
        """Inserts one tumor and waits for it; Slicer keeps responding meanwhile.

        Args:
            volumeNode: PET, a scalar volume node; it does not change.
            roiNode: markups ROI node; may be rotated and may reach past the volume.
            request: request for the tumor, such as ``TumorRequest(suv_max=8)``.
            seed: the same seed gives the same tumor on a given device and thread count.
            onProgress: called on this thread whenever the progress changes; an exception in it cancels the run.
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
        """Inserts tumors and waits for them; see ``insertTumor``.

        Each seed gives one variant: a new volume with a tumor in each box, and a segmentation with a segment per box.
        The tumors grow in the order of the boxes. A later box sees the tumors of the boxes before, and replaces their
        voxels where boxes overlap. The best variant comes first. With ``request.least_quality`` (the command line uses
        0.9) tumors below it are replaced by those of the next seeds, at most two for each seed; the warnings say so.
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
        """Starts a run and returns at once; see ``insertTumors``. Installs missing packages first.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, ModelBundleError: these nodes or this model cannot be used.
            InvalidRequestError: there is no seed, a seed is not valid, the voxels cannot hold the uptake, a box is too
                small for the volume, or a box has only air around it and the request a ratio to the background.
            BusyError: a run is under way.
            DependencyError: a package is missing and was not installed, or it is broken.
        """
        settings = _settings(options)
        self._check(volumeNode, roiNodes, settings["model"])
        check_seeds(seeds)
        self._requireIdle()
        ensureDependencies()
        image = volumeImage(volumeNode)
        units = self._units(volumeNode, settings["suvFactor"])
        boxes = tuple(roiBox(node) for node in roiNodes)
        _checkTargets(volumeNode, boxes, units, request, _patchSettings(settings["model"]))
        source = replace(
            self._input(image, units, boxes, seeds, request, settings),
            remarks=remarksOfVolume(volumeNode),
            factorRemedy=self.factorRemedy,
        )
        job = self._worker.start(functools.partial(runInsertion, source, settings["softMask"]), source.plannedSteps)
        snapshot = InputSnapshot.of(volumeNode, roiNodes)
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
        """Starts a quick tumor to show while the user moves a box, and returns at once.

        It reads only the surroundings of the box, so its cost does not grow with the volume. The same seed and request
        give the same tumor as ``insertTumor``, which also describes the arguments.

        Raises:
            UnsupportedVolumeError, InvalidBoxError, ModelBundleError: these nodes or this model cannot be used.
            BusyError: a run is under way.
        """
        settings = _settings(options)
        self._check(volumeNode, [roiNode], settings["model"])
        self._requireIdle()
        box = roiBox(roiNode)
        startIjk, image = _surroundings(volumeNode, box, _patchSettings(settings["model"]))
        units = self._units(volumeNode, settings["suvFactor"])
        source = self._input(image, units, (box,), (seed,), request, settings)
        job = self._worker.start(functools.partial(runPreview, source, startIjk), source.plannedSteps, givesWay=True)
        return Preview(job, volumeNode, units)

    def cancelAll(self) -> None:
        """Cancels the run of this logic, if there is one."""
        if self._current is not None:
            self._current.cancel()

    def shutdown(self) -> None:
        """Cancels the run, waits for the worker and frees the model. The logic can be used again afterwards."""
        if self._current is not None:
            self._current.drop()
            self._current.wait()
            self._current = None
        if not self._worker.isBusy:  # Another logic of this process may be running.
            self._worker.stop()
            forgetModel()
            forgetPreparedBox()
        if self._observation is not None:
            self.scene.RemoveObserver(self._observation)
            self._observation = None

    def problem(
        self,
        volumeNode: Any,
        roiNodes: Sequence[Any],
        request: TumorRequest = _WHATEVER_GROWS,
        **options: Unpack[RunOptions],
    ) -> str:
        """Says in one plain sentence why a run is not possible; empty if it is. For the arguments see ``insertTumors``.

        Cheap, because it reads no weights, and voxels around the box only for a ratio to the background. Only
        the run itself finds NaN among the voxels, for example.
        """
        settings = _settings(options)
        try:
            self._check(volumeNode, roiNodes, settings["model"])
            if request.uptake is not None or request.size is not None:
                units = unitsOfVolume(volumeNode, settings["suvFactor"], quick=True)
                boxes = [roiBox(node) for node in roiNodes]
                _checkTargets(volumeNode, boxes, units, request, _patchSettings(settings["model"]))
        except UnknownUnitsError:
            return ""  # ``warnings`` says so
        except TumorGenError as error:
            return str(error)
        return ""

    def warnings(
        self,
        volumeNode: Any,
        roiNodes: Sequence[Any],
        request: TumorRequest = _WHATEVER_GROWS,
        **options: Unpack[RunOptions],
    ) -> list[str]:
        """What the user should know before a run; cheap enough to call while the user drags a box.

        The same as the variants say after the run. Looks at the region of the box only. Empty if the geometry of a node
        is not usable; ``problem`` then says why. For the arguments see ``insertTumors``.
        """
        settings = _settings(options)
        try:
            grid, voxels = volumeGrid(volumeNode), voxelArray(volumeNode)
            boxes = [roiBox(node) for node in roiNodes]
        except TumorGenError:
            return []
        try:
            units = unitsOfVolume(volumeNode, settings["suvFactor"], quick=True).with_remedy(self.factorRemedy)
        except UnsupportedVolumeError as error:
            return [with_remedy(error, self.factorRemedy)]
        lines = [*remarksOfVolume(volumeNode), *units.remarks]
        for box in boxes:
            lines += box_warnings(box, grid, _probe(voxels, grid, box) * units.suv_factor)
            if request.uptake is not None or request.size is not None:
                lines += _requestWarnings(volumeNode, box, units, request, _patchSettings(settings["model"]))
        return list(dict.fromkeys(lines))

    def referenceSuv(
        self, volumeNode: Any, regionNode: Any, segment: str = "", suvFactor: float | None = None
    ) -> float:
        """Mean SUV of a reference region, for ``TumorRequest(to_reference=3, reference_suv=...)``.

        Args:
            volumeNode: PET, a scalar volume node.
            regionNode: segmentation node, or labelmap node on the voxels of the PET.
            segment: name or ID of a segment, or number of a label; empty takes all together.
            suvFactor: see ``RunOptions``.

        Raises:
            UnsupportedVolumeError: the nodes cannot be used.
            InvalidRequestError: there is no such region, or it has no uptake.
        """
        image = volumeImage(volumeNode)
        units = checked_units(self._units(volumeNode, suvFactor), image)
        return region_suv(PetVolume(image, units), regionVoxels(regionNode, volumeNode, segment))

    def modelNames(self) -> list[str]:
        """Names of the model bundles that came with TumorGen, the default one first."""
        names = [folder.name for folder in installed_bundles()]
        return sorted(names, key=lambda name: (name != DEFAULT_BUNDLE, name))

    def placeDefaultBox(self, volumeNode: Any, centerWorldRas: Sequence[float]) -> Any:
        """Adds an ROI node: a 40 mm cube around a point (world RAS, mm), along the volume's axes, with handles.

        Raises:
            UnsupportedVolumeError: the volume has no usable geometry.
        """
        return self.placeBox(Box.from_ras(centerWorldRas, [DEFAULT_BOX_MM] * 3, volumeAxesRas(volumeNode)))

    def placeBox(self, box: Box, name: str = "Tumor box") -> Any:
        """Adds an ROI node with handles for a box in the world (LPS), such as that of a provenance."""
        with allOrNothing(self.scene):
            roiNode = addBoxNode(self.scene, uniqueName(self.scene, name), *boxInRas(box))
            display = roiNode.GetDisplayNode()
            display.SetHandlesInteractive(True)
            display.SetTranslationHandleVisibility(True)
            display.SetScaleHandleVisibility(True)
            display.SetRotationHandleVisibility(True)
            display.SetPropertiesLabelVisibility(False)
            display.SetFillOpacity(0.1)  # The uptake inside must stay visible.
        return roiNode

    def placeInSegment(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        segment: str,
        count: int | None = 1,
        *,
        seed: int = 0,
        diameterMm: float | None = None,
        suvFactor: float | None = None,
    ) -> list[Any]:
        """Adds ROI nodes for lesions in a segment, such as an organ; see ``boxes_in_organ`` and ``placedTogether``.

        Args:
            volumeNode: PET, a scalar volume node.
            segmentationNode: segmentation node, or labelmap node.
            segment: name or ID of the segment, or number of the label.
            count: number of boxes; None draws it.
            seed: decides places, sizes and a drawn number.
            diameterMm: diameter of each lesion; None draws it.
            suvFactor: see ``RunOptions``.

        Raises:
            UnsupportedVolumeError: the nodes cannot be used.
            InvalidRequestError: there is no such segment.
            InvalidBoxError: there is no room for so many lesions; the message says how many fit.
        """
        mask = regionVoxels(segmentationNode, volumeNode, segment)
        image = volumeImage(volumeNode)
        volume = PetVolume(image, checked_units(self._units(volumeNode, suvFactor), image))
        name = regionName(segmentationNode, segment)
        boxes = boxes_in_organ(volume, mask, name, count, seed, diameterMm)
        with allOrNothing(self.scene):
            placed = [self.placeBox(box, f"Tumor in {name}" if name else "Tumor box") for box in boxes]
            markPlacing(placed)
        return placed

    @property
    def results(self) -> list[Variant]:
        """Variants of this logic whose volume and segmentation are still in the scene, the oldest run first.

        In each run that has ended, the best variant comes first.
        """
        return self._results.all

    def changeVariant(
        self, variant: Variant, *, suvMax: float | None = None, maskThreshold: float | None = None
    ) -> None:
        """Changes uptake or mask of a variant of the newest run in the scene at once, without sampling again.

        The voxels and the mask around the box are written anew from the tumor as it was grown; the provenance, the
        measures and the quality follow. See ``Tumor.with_uptake`` and ``Tumor.with_mask_threshold``.

        Args:
            variant: a variant with one tumor.
            suvMax: SUVmax to reach; None leaves it.
            maskThreshold: probability above which a voxel is tumor, 0 to 1; None leaves it.

        Raises:
            InvalidRequestError: a value cannot be used, or the variant cannot be changed any more.
        """
        from TumorGenCore.insertion import variants

        tumor = variant.tumor
        if tumor is None or variant not in self.results:
            raise InvalidRequestError("Only single tumors of the last run can be changed; make the tumor again.")
        if suvMax is not None:
            tumor = tumor.with_uptake(suvMax)
        if maskThreshold is not None:
            tumor = tumor.with_mask_threshold(maskThreshold)
        changeVariant(variant, variants.Variant((tumor,), variant.summary.seconds))

    def truthTable(self, variants: Sequence[Variant] | None = None) -> Any:
        """Adds a table node with what is known about each tumor; see ``addTruthTable``.

        Args:
            variants: the results; None takes all of this logic that are still in the scene.

        Returns:
            The new ``vtkMRMLTableNode``.

        Raises:
            InvalidRequestError: there is no result.
        """
        return addTruthTable(self.scene, self.results if variants is None else variants)

    def removeVariant(self, variant: Variant) -> None:
        """Removes a variant's nodes from the scene, with their displays."""
        self._results.remove(variant)

    def removeLastResult(self) -> bool:
        """Removes the variants of the newest run that still exist; returns False if there are none."""
        return self._results.removeLast()

    def _check(self, volumeNode: Any, roiNodes: Sequence[Any], model: str) -> None:
        if volumeNode is None:
            raise UnsupportedVolumeError("Choose a PET volume.")
        if not roiNodes or any(node is None for node in roiNodes):
            raise InvalidBoxError("Place a box where you want the tumor.")
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
        whole = tuple(int(seed) for seed in seeds)
        return RunInput(image, units, boxes, whole, request, settings["model"], settings["device"])

    def _observeScene(self) -> None:
        """Observes removed nodes to stop their run and free memory. The observer must not keep the logic alive."""
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
    """Waits for a run while Slicer keeps handling events. Any exception meanwhile cancels the run."""
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
    """Fills missing options with their defaults."""
    if unknown := set(options) - set(_USUAL):
        raise TypeError(f"There is no option {sorted(unknown)[0]!r}; the options are {', '.join(_USUAL)}.")
    return {**_USUAL, **options}


def _patchSettings(model: str) -> PatchSettings:
    """Reads the working patch of a bundle without torch; it limits the size of boxes."""
    return PatchSettings(**read_metadata(bundle_folder(model))[0]["tumorgen"]["patch"])


def _checkTargets(
    volumeNode: Any, boxes: Sequence[Box], units: PetUnits, request: TumorRequest, settings: PatchSettings
) -> None:
    """Rejects targets that mean nothing in a box, or that the voxels cannot hold."""
    voxelType = voxelArray(volumeNode).dtype
    for box in boxes:
        tissue = 0.0
        if request.to_background is not None:
            tissue = _tissue(_placed(volumeNode, box, units, settings))
        check_reachable(resolved(request, tissue, box).uptake, highest_suv(voxelType, units.suv_factor), voxelType)


def _surroundings(volumeNode: Any, box: Box, settings: PatchSettings) -> tuple[tuple[int, int, int], sitk.Image]:
    """Copies the part of a volume that the working patch of a box reads; returns its first voxel (ijk) too."""
    grid = volumeGrid(volumeNode)
    startIjk, region = surroundings(box, grid, settings)
    voxels = voxelArray(volumeNode)[region]
    return startIjk, grid.region(startIjk, voxels.shape[::-1]).image_from_array(voxels)


def _requestWarnings(
    volumeNode: Any, box: Box, units: PetUnits, request: TumorRequest, settings: PatchSettings
) -> list[str]:
    """Warnings about targets that the place of the box cannot take; none if box or voxels cannot be used."""
    try:
        placed = _placed(volumeNode, box, units, settings)
        tissue = _tissue(placed)
        return list(target_warnings(resolved(request, tissue, box), placed, tissue))
    except TumorGenError:
        return []


def _placed(volumeNode: Any, box: Box, units: PetUnits, settings: PatchSettings) -> PlacedBox:
    _, image = _surroundings(volumeNode, box, settings)
    return place_box(PetVolume(image, units), box, settings)


def _tissue(placed: PlacedBox) -> float:
    return tissue_suv(placed.sampled_suv(), placed.patch.box_coverage())


def _probe(voxels: NDArray, grid: Grid, box: Box) -> NDArray[np.float64]:
    """Values of the voxels nearest to points spread evenly over the box, without points outside the volume."""
    along = (np.arange(_PROBES) + 0.5) / _PROBES - 0.5
    points = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1).reshape(-1, 3)
    index = np.rint(grid.lps_to_index(box.to_lps(points * np.asarray(box.size_mm)))).astype(np.int64)
    i, j, k = index[np.all((index >= 0) & (index < np.asarray(grid.size_ijk)), axis=-1)].T
    return voxels[k, j, i].astype(np.float64)
