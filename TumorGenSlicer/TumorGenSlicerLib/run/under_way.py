"""Runs under way, for the main thread: their progress and results, and how to cancel them."""

from __future__ import annotations

from typing import Any

from TumorGenCore.errors import CancelledError, InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.worker import Job, Progress
from TumorGenSlicerLib.scene.preview_nodes import PreviewVoxels
from TumorGenSlicerLib.scene.result_nodes import InputSnapshot, Variant, addVariant
from TumorGenSlicerLib.scene.results import Results

__all__ = ["Insertion", "Preview"]


class Insertion:
    """A run under way. For the main thread only.

    Example:
        >>> insertion = logic.startInsertion(volumeNode, [roiNode], seeds=[7, 8])
        >>> # from a timer of 40 ms: isFinished = insertion.wait(0.03), insertion.progress, insertion.addReady()
        >>> variants = insertion.addResults()

    Args:
        results: collect its variants.
        job: job on the worker's thread.
        source: the input at the start of the run.
        softMask: whether to add the soft masks.
    """

    def __init__(self, results: Results, job: Job, source: InputSnapshot, softMask: bool) -> None:
        self._results, self._job, self._source, self._softMask = results, job, source, softMask
        self._run: list[Variant] = []
        self._failure: BaseException | None = None
        self._isTaken = False

    @property
    def progress(self) -> Progress:
        """Progress of the run; cheap to read."""
        return self._job.progress

    @property
    def isFinished(self) -> bool:
        """Whether the worker has ended it: done, failed or canceled."""
        return self._job.isFinished

    def cancel(self) -> None:
        """Stops the run within one sampling step; ``addResults`` then raises ``CancelledError``."""
        self._job.cancel()

    def drop(self) -> None:
        """Cancels the run and removes its nodes from the scene at once; does nothing after ``addResults``."""
        if not self._isTaken:
            self.cancel()
            self._removeAdded()

    def wait(self, timeoutSeconds: float | None = None) -> bool:
        """Waits until the run is finished, or until the timeout; returns whether it is finished.

        Slicer's main thread keeps Python's interpreter lock while it waits for events, and the worker stands still. A
        timer that follows a run must therefore call this for most of its interval.
        """
        return self._job.wait(timeoutSeconds)

    def addReady(self) -> list[Variant]:
        """Adds the nodes of the variants that are done since the last call; works while the run continues.

        The nodes stay if the run ends well. If it fails or is canceled, ``addResults`` removes them from the scene. If
        an input is no longer in the scene, this adds nothing. If nodes cannot be made, this cancels the run and
        ``addResults`` raises the error.
        """
        made, added = self._job.takeParts(), []
        if self._job.isCancelled or not self._hasInputs():
            return []
        try:
            for one in made:
                added.append(addVariant(self._results.scene, self._source, one, self._softMask))
                self._results.add(self._run, added[-1])
        except Exception as error:
            self._failure = error
            self.cancel()
        return added

    def addResults(self) -> list[Variant]:
        """Returns the variants of the run, the best first, with all their nodes in the scene.

        Call it once, after ``isFinished``. If it raises, none of the nodes are in the scene.

        Raises:
            CancelledError: the run was canceled, even if too late to stop it.
            UnsupportedVolumeError, InvalidBoxError: the volume or a box was removed from the scene during the run.
            TumorGenError: the error that stopped the run, or that kept nodes from being made.
            RuntimeError: the run is not finished, or this is the second call.
        """
        if not self.isFinished:
            raise RuntimeError("The run is still under way; call addResults after isFinished.")
        if self._isTaken:
            raise RuntimeError("The results of this run were added already.")
        self._isTaken = True
        try:
            self._requireInputs()
            if self._failure is None:
                remark: str = self._job.result()
                if self._job.isCancelled:
                    raise CancelledError("Canceled; nothing was changed.")
                self.addReady()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            self._removeAdded()
            raise
        return self._results.finish(self._run, remark)

    def cancelIfOrphaned(self) -> None:
        """Cancels the run if the volume or a box was removed from the scene."""
        if not self._hasInputs():
            self.cancel()

    def _removeAdded(self) -> None:
        for variant in list(self._run):
            self._results.remove(variant)

    def _hasInputs(self) -> bool:
        isPresent = self._results.scene.IsNodePresent
        return all(isPresent(node) for node in (self._source.volumeNode, *self._source.roiNodes))

    def _requireInputs(self) -> None:
        if not self._results.scene.IsNodePresent(self._source.volumeNode):
            raise UnsupportedVolumeError("The volume was removed during the run; its result was dropped.")
        if not self._hasInputs():
            raise InvalidBoxError("A box was removed during the run; its result was dropped.")


class Preview:
    """A quick tumor under way. It adds nothing to the scene. For the main thread only.

    Any other run or preview, also of another logic, cancels it at its next step.
    """

    def __init__(self, job: Job, volumeNode: Any, units: PetUnits) -> None:
        self._job, self.volumeNode, self.units = job, volumeNode, units

    def cancel(self) -> None:
        """Stops it within one sampling step."""
        self._job.cancel()

    def wait(self, timeoutSeconds: float | None = None) -> bool:
        """Waits until it is finished, or until the timeout; returns whether it is. See ``Insertion.wait``."""
        return self._job.wait(timeoutSeconds)

    def result(self) -> PreviewVoxels:
        """Waits for the voxels of the box and returns them.

        Raises:
            CancelledError: it was canceled, even if too late to stop it.
            DependencyError: a package is missing; a preview installs none and does not ask the user.
            TumorGenError, ValueError: the error that stopped it.
        """
        result: PreviewVoxels = self._job.result()
        if self._job.isCancelled:
            raise CancelledError("The preview was cancelled.")
        return result
