"""A run as plain values: what is read from the scene before it, and what is computed without the scene.

``RunInput`` is made on the main thread; ``runInsertion`` works on it on the worker's thread, with the core only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import SimpleITK as sitk

from TumorGenCore.bundle.folders import bundle_sampling
from TumorGenCore.errors import CancelledError
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.worker import Job

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["RunInput", "forgetModel", "loadedGenerator", "modelCache", "runInsertion", "stopIfCancelled"]


@dataclass(frozen=True)
class RunInput:
    """What a run or a preview is made from.

    Args:
        image: a copy of the volume, or of a part of it, in the world (LPS).
        units: of its voxels.
        boxes: in the world, LPS; tumors are inserted in this order, each seeing those before it.
        seeds: one variant each.
        request: what each tumor shall be like.
        model: bundle name or folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    """

    image: sitk.Image
    units: PetUnits
    boxes: tuple[Box, ...]
    seeds: tuple[int, ...]
    request: TumorRequest
    model: str
    device: str

    @property
    def plannedSteps(self) -> int:
        """Sampling steps of all boxes and seeds; drawing again because of the quality is not planned.

        Raises:
            ModelBundleError: the bundle cannot be read.
        """
        request = self.request
        each = bundle_sampling(self.model).asked(request.steps, request.solver).steps
        return each * request.most_tries * len(self.boxes) * len(self.seeds)


def runInsertion(source: RunInput, softMask: bool, job: Job) -> str:
    """Make all variants; ``job`` hands over each ``insertion.variants.Variant`` as soon as it is done.

    Args:
        source: the run.
        softMask: whether the soft masks are wanted.
        job: is told how far the run is, after each sampling step.

    Returns:
        What drawing again has to say; empty where nothing was drawn again.

    Raises:
        TumorGenError: any of the core's; ``CancelledError`` when the job is cancelled.
    """
    from TumorGenCore.insertion.variants import VariantRun
    from TumorGenCore.volumes.volume import PetVolume

    job.report(0, "loading the model")
    stopIfCancelled(job)
    generator = loadedGenerator(source.model, source.device)
    stopIfCancelled(job)
    job.report(0, "reading the box")
    run = VariantRun(
        generator,
        generator.prepare(PetVolume(source.image, source.units), source.boxes[0]),
        source.request,
        source.seeds,
        more_boxes=source.boxes[1:],
        on_progress=_reporting(job),
        should_cancel=lambda: job.isCancelled,
    )
    for variant in run:
        # Made here: the main thread is not to wait for it.
        wanted = (variant.image, variant.segments, variant.summary, variant.mask_probability if softMask else None)
        job.handOver(variant)
        del wanted, variant  # It belongs to who takes it.
    return run.remark


def _reporting(job: Job) -> Callable[[int, int, str], None]:
    def report(done: int, inAll: int, doing: str) -> None:
        job.report(done, f"{doing}, step {done} of {inAll}" if doing.endswith("sampling") else doing)

    return report


def stopIfCancelled(job: Job) -> None:
    """Raise ``CancelledError`` if the job was cancelled."""
    if job.isCancelled:
        raise CancelledError("Cancelled before the first step; nothing was changed.")


def loadedGenerator(model: str, device: str) -> TumorGenerator:
    """The generator of a bundle (name or folder), from memory where it is the last one that was used."""
    from TumorGenCore.bundle.folders import METADATA, bundle_folder

    folder = bundle_folder(model).resolve()
    return modelCache(str(folder), (folder / METADATA).stat().st_mtime_ns, device)


@functools.lru_cache(maxsize=1)
def modelCache(folder: str, changed: int, device: str) -> TumorGenerator:
    """The model stays loaded for the next run; another bundle, a bundle trained anew or another device replaces it.

    Args:
        folder: of the bundle.
        changed: when its metadata were written, ns.
        device: see ``RunInput``.
    """
    from TumorGenCore.insertion.generator import TumorGenerator

    return TumorGenerator.from_pretrained(folder, device)


def forgetModel() -> None:
    """Free the loaded model's memory."""
    modelCache.cache_clear()
