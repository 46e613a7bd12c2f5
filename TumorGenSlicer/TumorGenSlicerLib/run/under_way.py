"""Runs under way, as the main thread holds them: how far they are, their results, and how to cancel them."""

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
        results: take its variants in.
        job: on the worker's thread.
        source: the input when it began.
        softMask: whether soft masks are wanted.
    """

    def __init__(self, results: Results, job: Job, source: InputSnapshot, softMask: bool) -> None:
        self._results, self._job, self._source, self._softMask = results, job, source, softMask
        self._run: list[Variant] = []
        self._failure: BaseException | None = None
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

    def drop(self) -> None:
        """Cancel, and take out of the scene at once what was added; does nothing once the results were taken."""
        if not self._isTaken:
            self.cancel()
            self._removeAdded()

    def wait(self, timeoutSeconds: float | None = None) -> bool:
        """Block until the run is finished, at most so long; whether it is.

        Slicer's main thread keeps Python's interpreter lock while it waits for events, so that the worker stands still:
        whoever follows a run from a timer must call this, for most of the timer's interval.
        """
        return self._job.wait(timeoutSeconds)

    def addReady(self) -> list[Variant]:
        """Add the nodes of the variants that were done since the last call; may be called while the run goes on.

        They stay if the run ends well. ``addResults`` takes them out of the scene again if it was cancelled or failed.
        Where an input is gone from the scene nothing is added. Where nodes cannot be made the run is cancelled, and
        ``addResults`` says why.
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
        """The variants of the run, the best first, with the nodes of all of them in the scene, or of none; once, after
        ``isFinished``.

        Raises:
            CancelledError: the run was cancelled, also when it was too late to stop it.
            UnsupportedVolumeError, InvalidBoxError: the volume or a box was removed from the scene during the run.
            TumorGenError: what stopped the run; likewise what kept nodes from being made.
            RuntimeError: not finished yet, or asked a second time.
        """
        if not self.isFinished:
            raise RuntimeError("The run is still under way; ask for its results when isFinished.")
        if self._isTaken:
            raise RuntimeError("The results of this run were added already.")
        self._isTaken = True
        try:
            self._requireInputs()
            if self._failure is None:
                remark: str = self._job.result()
                if self._job.isCancelled:
                    raise CancelledError("Cancelled; nothing was changed.")
                self.addReady()
            if self._failure is not None:
                raise self._failure
        except BaseException:
            self._removeAdded()
            raise
        return self._results.finish(self._run, remark)

    def cancelIfOrphaned(self) -> None:
        """Stop where the volume or a box was removed from the scene."""
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

    def result(self) -> PreviewVoxels:
        """The voxels of the box; waits for them.

        Raises:
            CancelledError: it was cancelled, also when it was too late to stop it.
            TumorGenError, ValueError: what stopped it.
        """
        result: PreviewVoxels = self._job.result()
        if self._job.isCancelled:
            raise CancelledError("The preview was cancelled.")
        return result
