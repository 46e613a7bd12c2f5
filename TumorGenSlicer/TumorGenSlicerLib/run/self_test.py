"""A self-test for a real Slicer: inserts tumors in a phantom, checks them, and leaves the scene as it was.

The steps use the same calls as the panel. Scene work runs on the main thread, the networks on the worker's thread.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Unpack

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from TumorGenCore.errors import CancelledError, TumorGenError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenSlicerLib.run.live_preview import LIMIT_SECONDS
from TumorGenSlicerLib.run.logic import InsertionLogic, RunOptions, Variant
from TumorGenSlicerLib.run.packages import checkPackages, missingPackages, neededPackages
from TumorGenSlicerLib.run.self_test_report import (
    FAILED,
    PASSED,
    SKIPPED,
    SelfTestReport,
    StepResult,
    computerFacts,
    networkFacts,
)
from TumorGenSlicerLib.run.worker import BusyError, Progress, sharedWorker
from TumorGenSlicerLib.scene.geometry import ijkToRas, voxelArray
from TumorGenSlicerLib.scene.result_nodes import tumorMask, uniqueName
from TumorGenSlicerLib.scene.sample_data import addPhantom
from TumorGenSlicerLib.scene.scene_guard import SceneGuard, nodeClasses, nodeIds

__all__ = ["SelfTest", "SelfTestError", "runSelfTest"]

#: In the right lung of the phantom, RAS, mm.
_CENTER_RAS = (78.0, -20.0, 465.0)
#: The box is turned about z, as a user may turn it, degrees.
_TURN_DEGREES = 15.0
_SEED = 7
#: A voxel counts as outside of the box from this distance on, mm.
_TOLERANCE_MM = 1e-3
_POLL_SECONDS = 0.02
_BY_HAND = "Do this by hand: Slicer --no-splash --no-main-window --python-script insert_tumor.py --self-test report.md"


class SelfTestError(TumorGenError):
    """A step found something wrong."""


class _SkippedError(Exception):
    """A step cannot be run here; the message says why."""


class _Work(Protocol):
    """Work under way on the worker's thread."""

    def cancel(self) -> None: ...

    def wait(self, timeoutSeconds: float | None = None, /) -> bool: ...


#: Yields what it waits for, or None to let events be handled; returns the step's note.
_Course = Generator[_Work | None, None, str]


class SelfTest:
    """A self-test under way. For the main thread only.

    The user's nodes are neither read nor changed. All nodes of the self-test are removed at its end, also if it fails,
    is canceled or is dropped. Nothing is installed.

    Example:
        >>> test = SelfTest()
        >>> # from a timer of 40 ms: isFinished = test.wait(0.03), test.progress
        >>> test.report.markdown()

    Args:
        logic: inserts the tumors; a new one for Slicer's scene if None. It must have no results of its own.
        spacingMm: voxel spacing of the phantom; None takes that of the sample data.
        boxMm: edge of the box; None takes that of "Place box".
        steps: sampling steps of a full insertion; None takes the model's own.
        onStep: called with the result of each step.
        options: model and device, see ``RunOptions``.

    Raises:
        BusyError: a run is under way.
    """

    def __init__(
        self,
        logic: InsertionLogic | None = None,
        *,
        spacingMm: Sequence[float] | None = None,
        boxMm: float | None = None,
        steps: int | None = None,
        onStep: Callable[[StepResult], None] | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        if sharedWorker().isBusy:
            raise BusyError("A run is under way; wait for it or cancel it first.")
        self._scene = slicer.mrmlScene
        # A logic of its own: the panel lists the results of its logic.
        self._logic = logic or InsertionLogic(self._scene)
        self._spacingMm, self._boxMm, self._options, self._onStep = spacingMm, boxMm, options, onStep
        self._request = TumorRequest(steps=steps)
        self.report = SelfTestReport()
        self._guard = SceneGuard(self._scene)
        self._volume: Any = None
        self._box: Any = None
        self._first: Variant | None = None
        self._study = 0
        self._beforeResults: set[str] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._passed: set[str] = set()
        self._doing, self._started, self._isCancelled, self._isFinished = "", time.monotonic(), False, False
        self._awaited: _Work | None = None
        self._plan = self._steps()
        self._course = self._go()

    @property
    def progress(self) -> Progress:
        """How far the self-test is, in steps of its own."""
        seconds = self.report.seconds or time.monotonic() - self._started
        return Progress(len(self.report.steps), len(self._plan) + 1, self._doing, seconds)

    @property
    def isCancelled(self) -> bool:
        """Whether the user has canceled it; then the report is not complete."""
        return self._isCancelled

    @property
    def isFinished(self) -> bool:
        """Whether the self-test has ended and the scene is as it was."""
        return self._isFinished

    def cancel(self) -> None:
        """Stops within one sampling step. The caller goes on calling ``wait`` until it is finished."""
        self._isCancelled = True
        if self._awaited is not None:
            self._awaited.cancel()

    def drop(self) -> None:
        """Cancels the self-test and takes its nodes out of the scene at once."""
        if not self._isFinished:
            self.cancel()
            self._course.close()
            self._isFinished = True

    def wait(self, timeoutSeconds: float | None = None) -> bool:
        """Goes on with the self-test: waits for the worker, at most so long, or does the next piece of scene work.

        Returns:
            Whether the self-test is finished. Without a timeout it always is.
        """
        while not self._isFinished:
            isDone = self._awaited is None or self._awaited.wait(timeoutSeconds)
            if isDone or not self._isCancelled:  # The worker must be free when a canceled self-test ends.
                self._advance()
            if timeoutSeconds is not None:
                break
        return self._isFinished

    def _advance(self) -> None:
        try:
            with self._guard.noting():
                if self._isCancelled:
                    self._awaited = self._course.throw(CancelledError("Canceled; the scene is as it was."))
                else:
                    self._awaited = next(self._course)
        except (StopIteration, CancelledError):
            self._awaited, self._isFinished = None, True

    # The course of the steps

    def _steps(self) -> list[tuple[str, Callable[[], _Course | str], tuple[str, ...]]]:
        """Name of each step, its work, and the steps that it needs."""
        run = ("packages", "box")
        full = ("full insertion",)
        return [
            ("versions", self._findVersions, ()),
            ("packages", self._importPackages, ()),
            ("phantom", self._makePhantom, ()),
            ("box", self._placeBox, ("phantom",)),
            ("quick insertion (live preview)", self._insertQuickly, run),
            ("full insertion", self._insertFully, run),
            ("voxels outside of the box", self._compareOutside, full),
            ("mask inside the box", self._checkMask, full),
            ("same seed, same tumor", self._insertAgain, full),
            ("three variants", self._insertVariants, run),
            ("results beside the input", self._checkHierarchy, full),
            ("cancel", self._cancelRun, run),
            ("save and reload files", self._reloadFiles, full),
            ("save and reload a scene (.mrb)", self._reloadScene, ("save and reload files",)),
            ("remove results", self._removeResults, full),
            ("without a window", self._checkWindow, ()),
        ]

    def _go(self) -> Generator[_Work | None, None, None]:
        try:
            for name, work, needs in self._plan:
                self._doing = name
                yield None  # so that the name is shown before the work begins
                yield from self._step(name, work, needs)
        finally:
            start = time.monotonic()
            problem = self._cleanUp()
            status = FAILED if problem else PASSED
            self._record(StepResult("scene as before", status, time.monotonic() - start, problem))
            self.report.seconds = time.monotonic() - self._started

    def _step(
        self, name: str, work: Callable[[], _Course | str], needs: Sequence[str]
    ) -> Generator[_Work | None, None, None]:
        start = time.monotonic()
        try:
            if missing := [need for need in needs if need not in self._passed]:
                raise _SkippedError(f"This step needs: {', '.join(missing)}.")
            result = work()
            status, note = PASSED, result if isinstance(result, str) else (yield from result)
            self._passed.add(name)
        except _SkippedError as reason:
            status, note = SKIPPED, str(reason)
        except Exception as error:  # Whatever a real Slicer raises: the next step follows, and the report says it.
            if self._isCancelled:
                raise
            status, note = FAILED, f"{type(error).__name__}: {error}"
        self._record(StepResult(name, status, time.monotonic() - start, note))

    def _record(self, result: StepResult) -> None:
        self.report.steps.append(result)
        if self._onStep is not None:
            self._onStep(result)

    def _cleanUp(self) -> str:
        """Removes what the self-test added; returns what is not as before as a sentence, else an empty text."""
        for variant in self._logic.results:
            self._logic.removeVariant(variant)
        problem = self._guard.restore()
        if self._study:
            hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
            hierarchy.RemoveItem(self._study, False, False)
        if self._folder is not None:
            self._folder.cleanup()
        self._volume, self._box, self._first = None, None, None
        return problem

    # Software

    def _findVersions(self) -> str:
        self.report.system |= computerFacts()
        return ""

    def _importPackages(self) -> _Course:
        checkPackages()
        if missing := missingPackages():
            notInstalled = f"Not installed: {', '.join(missing)}."
            if hasattr(slicer, "app") and slicer.app.testingEnabled():
                raise _SkippedError(f"{notInstalled} Slicer installs nothing in testing mode.")
            raise SelfTestError(f"{notInstalled} Press Apply to install them.")
        job = sharedWorker().start(lambda _job: networkFacts(neededPackages()), 0)
        while not job.isFinished:
            yield job
        self.report.system |= job.result()
        return "all there"

    # Input

    def _makePhantom(self) -> str:
        self._volume = addPhantom() if self._spacingMm is None else addPhantom(self._spacingMm)
        self._volume.SetName(uniqueName(self._scene, "TumorGen self-test phantom"))
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        item = hierarchy.GetItemByDataNode(self._volume) if hierarchy is not None else 0
        if item:  # A study of its own: at the top of the scene everything lies beside everything.
            self._study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "TumorGen self-test")
            hierarchy.SetItemParent(item, self._study)
        size = " x ".join(str(edge) for edge in self._volume.GetImageData().GetDimensions())
        isListed = "TumorGen" in getattr(getattr(slicer, "modules", None), "sampleDataSources", {})
        return f"{size} voxels; {'listed' if isListed else 'not listed'} in Sample Data"

    def _placeBox(self) -> str:
        self._box = self._logic.placeDefaultBox(self._volume, _CENTER_RAS)
        self._box.SetDisplayVisibility(False)  # The user's views must not change.
        if not np.allclose(self._box.GetCenterWorld(), _CENTER_RAS, atol=_TOLERANCE_MM):
            raise SelfTestError(f"The box lies at {self._box.GetCenterWorld()}, not at {_CENTER_RAS}.")
        if self._boxMm is not None:
            self._box.SetSize(self._boxMm, self._boxMm, self._boxMm)
        turn = vtk.vtkTransform()
        turn.Translate(_CENTER_RAS)
        turn.RotateZ(_TURN_DEGREES)
        self._box.SetAndObserveObjectToNodeMatrix(turn.GetMatrix())
        problem = self._logic.problem(self._volume, [self._box])
        if problem:
            raise SelfTestError(problem)
        return f"{self._box.GetSize()[0]:.0f} mm, turned by {_TURN_DEGREES:.0f} degrees"

    # Runs

    def _insert(self, seeds: Sequence[int]) -> Generator[_Work | None, None, list[Variant]]:
        """Inserts one variant for each seed, as the panel does."""
        insertion = self._logic.startInsertion(self._volume, [self._box], self._request, seeds=seeds, **self._options)
        try:
            while not insertion.isFinished:
                yield insertion
                _hide(insertion.addReady())
            variants = insertion.addResults()
        finally:
            insertion.drop()  # Does nothing once the results were taken.
        _hide(variants)
        return variants

    def _insertQuickly(self) -> _Course:
        seconds = []
        nodes = nodeIds(self._scene)
        for seed in (_SEED, _SEED + 1):
            preview = self._logic.startPreview(self._volume, self._box, seed=seed, **self._options)
            try:
                while not preview.wait(0):
                    yield preview
                result = preview.result()
            finally:
                preview.cancel()
            seconds.append(result.seconds)
            if np.array_equal(result.voxels, voxelArray(self._volume)[result.segment.region]):
                raise SelfTestError("The quick insertion changed no voxel.")
        if nodeIds(self._scene) != nodes:
            raise SelfTestError("The quick insertion changed the nodes of the scene.")
        isOn = min(seconds) <= LIMIT_SECONDS
        return (
            f"4 steps took {seconds[0]:.2f} s, then {seconds[1]:.2f} s: live preview is {'on' if isOn else 'off'} here"
        )

    def _insertFully(self) -> _Course:
        self._beforeResults = nodeIds(self._scene)
        (variant,) = yield from self._insert([_SEED])
        self._first = variant
        measures, device = variant.measures, variant.provenance.get("device")
        return (
            f"{variant.summary.seconds:.2f} s on {device}; {measures.volume_ml:.1f} ml, SUVmax {measures.suv_max:.1f}, "
            f"quality {variant.quality.percent}"
        )

    def _insertAgain(self) -> _Course:
        first = self._variant
        (again,) = yield from self._insert([_SEED])
        try:
            _requireSame("The second tumor of the same seed", first, again)
        finally:
            self._logic.removeVariant(again)
        return f"{again.summary.seconds:.2f} s"

    def _insertVariants(self) -> _Course:
        start = time.monotonic()
        seeds = [_SEED + n for n in (1, 2, 3)]
        variants = yield from self._insert(seeds)
        seconds = time.monotonic() - start
        try:
            if sorted(variant.seed for variant in variants) != seeds:
                raise SelfTestError(f"There are {len(variants)} variants, not three.")
            voxels = [voxelArray(variant.volumeNode) for variant in variants]
            if any(np.array_equal(voxels[a], voxels[b]) for a, b in ((0, 1), (0, 2), (1, 2))):
                raise SelfTestError("Two variants are the same tumor.")
            qualities = ", ".join(str(variant.quality.percent) for variant in variants)
        finally:
            for variant in variants:
                self._logic.removeVariant(variant)
        return f"{seconds:.2f} s, qualities {qualities}"

    def _cancelRun(self) -> _Course:
        nodes, voxels = nodeIds(self._scene), voxelArray(self._volume).copy()
        insertion = self._logic.startInsertion(
            self._volume, [self._box], self._request, seeds=[_SEED + 4, _SEED + 5], **self._options
        )
        try:
            while not (insertion.isFinished or insertion.progress.stepsDone):
                yield insertion
            asked = time.monotonic()
            insertion.cancel()
            while not insertion.isFinished:
                yield insertion
            seconds = time.monotonic() - asked
            _requireCancelled(insertion.addResults)
        finally:
            insertion.drop()
        if nodeIds(self._scene) != nodes:
            raise SelfTestError("The canceled run changed the nodes of the scene.")
        if not np.array_equal(_bits(voxelArray(self._volume)), _bits(voxels)):
            raise SelfTestError("The canceled run changed voxels of the input.")
        return f"ended after {seconds:.2f} s"

    # Results

    @property
    def _variant(self) -> Variant:
        assert self._first is not None
        return self._first

    def _compareOutside(self) -> str:
        before, after = (_bits(voxelArray(node)) for node in (self._volume, self._variant.volumeNode))
        if before.shape != after.shape or before.dtype != after.dtype:
            raise SelfTestError("The result has another size or voxel type than the input.")
        changed = np.argwhere(before != after)
        if not len(changed):
            raise SelfTestError("The insertion changed no voxel.")
        outside = int((self._depths(changed) < -_TOLERANCE_MM).sum())
        if outside:
            raise SelfTestError(f"{outside} voxels outside of the box were changed, {len(changed)} in all.")
        return f"{len(changed)} voxels changed, all inside the box"

    def _checkMask(self) -> str:
        mask = np.argwhere(tumorMask(self._variant))
        if not len(mask):
            raise SelfTestError("The mask is empty.")
        outside = int((self._depths(mask) < -_TOLERANCE_MM).sum())
        if outside:
            raise SelfTestError(f"{outside} of {len(mask)} voxels of the mask lie outside of the box.")
        return f"{len(mask)} voxels"

    def _depths(self, voxelsKji: NDArray[np.int64]) -> NDArray[np.float64]:
        """Distance of voxels from the nearest face of the box, mm, positive inside; by the planes of the ROI itself."""
        toRas = ijkToRas(self._volume)
        points = voxelsKji[:, ::-1] @ toRas[:3, :3].T + toRas[:3, 3]
        planes, values = vtk.vtkPlanes(), vtk.vtkDoubleArray()
        self._box.GetPlanesWorld(planes)
        planes.EvaluateFunction(numpy_to_vtk(np.ascontiguousarray(points)), values)
        depths: NDArray[np.float64] = -vtk_to_numpy(values)
        return depths

    def _checkHierarchy(self) -> str:
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if not self._study:
            raise _SkippedError("Slicer made no subject hierarchy item for the phantom.")
        for node in self._variant.nodes:
            item = hierarchy.GetItemByDataNode(node)
            if not item or hierarchy.GetItemParent(item) != self._study:
                raise SelfTestError(f"A {node.GetClassName()} of the result is not in the study of its input.")
        return ""

    # Files

    def _reloadFiles(self) -> str:
        self._folder = tempfile.TemporaryDirectory(prefix="TumorGen-self-test-")
        folder = Path(self._folder.name)
        for node, path in zip(self._variant.nodes, _filesIn(folder), strict=True):
            storage = node.CreateDefaultStorageNode()
            storage.UnRegister(None)  # Python holds it now
            storage.SetFileName(str(path))
            if not storage.WriteData(node):
                raise SelfTestError(f"{path.name} was not written.")
        # A scene of its own: the user's may hold patients, and nothing of it is to be written.
        _requireSame("What was reloaded", self._variant, _readFiles(slicer.vtkMRMLScene(), folder, self._variant))
        return ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in _filesIn(folder))

    def _reloadScene(self) -> str:
        assert self._folder is not None
        folder = Path(self._folder.name)
        written = slicer.vtkMRMLScene()
        _readFiles(written, folder, self._variant)
        path = folder / "scene.mrb"
        written.SetRootDirectory(str(folder))
        if not written.WriteToMRB(str(path)):
            raise SelfTestError(f"{path.name} was not written.")
        read = slicer.vtkMRMLScene()
        files = slicer.vtkMRMLRemoteIOLogic()
        cache = folder / "cache"
        cache.mkdir()  # VTK warns of a folder that is not empty.
        files.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        files.SetMRMLScene(read)
        files.AddDataIOToScene()
        if not read.ReadFromMRB(str(path)):
            raise SelfTestError(f"{path.name} was not read.")
        loaded = [read.GetFirstNodeByClass(node.GetClassName()) for node in self._variant.nodes]
        if None in loaded:
            raise SelfTestError(f"{path.name} holds no volume or no segmentation.")
        _requireSame("The reloaded scene", self._variant, _variantOf(self._variant, loaded))
        return f"{path.stat().st_size / 1e6:.1f} MB"

    def _removeResults(self) -> str:
        for variant in self._logic.results:
            self._logic.removeVariant(variant)
        if left := self._guard.added(since=self._beforeResults):
            raise SelfTestError(f"{len(left)} nodes of the results are still there: {nodeClasses(left)}.")
        return ""

    def _checkWindow(self) -> str:
        if hasattr(slicer, "app") and slicer.util.mainWindow() is not None:
            raise _SkippedError(_BY_HAND)
        return "this self-test ran without a main window"


def runSelfTest(test: SelfTest, onProgress: Callable[[Progress], None] | None = None) -> SelfTestReport:
    """Runs a self-test and waits for it; Slicer stays alive meanwhile.

    Args:
        test: to run.
        onProgress: called every 20 ms; an exception in it cancels the self-test.
    """
    processEvents = getattr(getattr(slicer, "app", None), "processEvents", None)
    try:
        while not test.wait(_POLL_SECONDS):
            if processEvents is not None:
                processEvents()
            if onProgress is not None:
                onProgress(test.progress)
    except BaseException:
        test.cancel()
        test.wait()
        raise
    return test.report


def _hide(variants: Sequence[Variant]) -> None:
    """Hides masks, so that the user's views do not change."""
    for variant in variants:
        variant.segmentationNode.SetDisplayVisibility(False)


def _bits(voxels: NDArray) -> NDArray:
    """Voxels as unsigned integers, so that equal means bit for bit equal."""
    return np.ascontiguousarray(voxels).view(f"u{voxels.dtype.itemsize}")


def _requireCancelled(take: Callable[[], Any]) -> None:
    try:
        take()
    except CancelledError:
        return
    raise SelfTestError("The canceled run gave a result.")


def _filesIn(folder: Path) -> tuple[Path, Path]:
    return folder / "volume.nrrd", folder / "mask.seg.nrrd"


def _readFiles(scene: Any, folder: Path, like: Variant) -> Variant:
    """The saved volume and mask in a scene."""
    nodes = []
    for original, path in zip(like.nodes, _filesIn(folder), strict=True):
        node = scene.AddNewNodeByClass(original.GetClassName())
        storage = node.CreateDefaultStorageNode()
        storage.UnRegister(None)  # Python holds it now
        storage.SetFileName(str(path))
        scene.AddNode(storage)
        node.SetAndObserveStorageNodeID(storage.GetID())
        if not storage.ReadData(node):
            raise SelfTestError(f"{path.name} was not read.")
        nodes.append(node)
    return _variantOf(like, nodes)


def _variantOf(like: Variant, nodes: Sequence[Any]) -> Variant:
    return replace(like, volumeNode=nodes[0], segmentationNode=nodes[1])


def _requireSame(what: str, first: Variant, second: Variant) -> None:
    """Raises unless voxels (bit for bit), geometry and mask of both are the same."""
    if not np.allclose(ijkToRas(first.volumeNode), ijkToRas(second.volumeNode), atol=_TOLERANCE_MM):
        raise SelfTestError(f"{what} lies at another place.")
    before, after = (voxelArray(variant.volumeNode) for variant in (first, second))
    if before.dtype != after.dtype or before.shape != after.shape:
        raise SelfTestError(f"{what} has another size or voxel type.")
    different = int((_bits(before) != _bits(after)).sum())
    if different:
        most = np.abs(before.astype(np.float64) - after.astype(np.float64)).max()
        raise SelfTestError(f"{what} differs in {different} voxels, by {most:.3g} at most.")
    if not np.array_equal(tumorMask(first), tumorMask(second)):
        raise SelfTestError(f"{what} has another mask.")
