"""A run as plain values: its input from the scene, and its computation without the scene.

The main thread makes ``RunInput``. ``runInsertion`` computes on the worker's thread and uses the core only.
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
from TumorGenCore.volumes.suv import PetUnits, checked_units
from TumorGenSlicerLib.run.packages import importPackages
from TumorGenSlicerLib.run.worker import Job

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["RunInput", "forgetModel", "loadedGenerator", "modelCache", "runInsertion", "stopIfCancelled"]


@dataclass(frozen=True)
class RunInput:
    """Input of a run or a preview.

    Args:
        image: copy of the volume, or of a part of it, in world coordinates (LPS).
        units: units of its voxels.
        boxes: boxes in world coordinates (LPS), in the order of insertion; each tumor sees those before it.
        seeds: one per variant.
        request: request for each tumor.
        model: bundle name or folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        remarks: sentences for the user about what was odd in the file of the volume.
        factorRemedy: sentence after remarks about the units: how the user gives the factor to SUV.
    """

    image: sitk.Image
    units: PetUnits
    boxes: tuple[Box, ...]
    seeds: tuple[int, ...]
    request: TumorRequest
    model: str
    device: str
    remarks: tuple[str, ...] = ()
    factorRemedy: str = ""

    @property
    def plannedSteps(self) -> int:
        """Sampling steps of all boxes and seeds, without redraws because of the quality.

        Raises:
            ModelBundleError: the bundle cannot be read.
        """
        request = self.request
        each = bundle_sampling(self.model).asked(request.steps, request.solver).steps
        return each * request.most_tries * len(self.boxes) * len(self.seeds)


def runInsertion(source: RunInput, softMask: bool, job: Job) -> str:
    """Makes all variants. Passes each ``insertion.variants.Variant`` to ``job`` as soon as it is done.

    Args:
        source: input of the run.
        softMask: whether to make the soft masks.
        job: takes the variants, and the progress after each sampling step.

    Returns:
        Remark about redraws; empty if there were none.

    Raises:
        TumorGenError: any error of the core; ``CancelledError`` if the job was canceled.
    """
    from TumorGenCore.insertion.variants import VariantRun
    from TumorGenCore.volumes.volume import PetVolume

    job.report(0, "loading the model")
    stopIfCancelled(job)
    generator = loadedGenerator(source.model, source.device)
    stopIfCancelled(job)
    job.report(0, "reading the box")
    # All voxels are read here, so that the main thread does not wait for it.
    units = checked_units(source.units, source.image).with_remedy(source.factorRemedy)
    run = VariantRun(
        generator,
        generator.prepare(PetVolume(source.image, units, source.remarks), source.boxes[0]),
        source.request,
        source.seeds,
        more_boxes=source.boxes[1:],
        on_progress=_reporting(job),
        should_cancel=lambda: job.isCancelled,
    )
    for variant in run:
        # Computed here, so that the main thread does not wait for it.
        soft = variant.mask_probability if softMask else None
        wanted = (variant.image, variant.segments, variant.summary, variant.truth, soft)
        job.handOver(variant)
        del wanted, soft, variant  # Whoever takes it from the job owns it.
    return run.remark


def _reporting(job: Job) -> Callable[[int, int, str], None]:
    def report(done: int, inAll: int, doing: str) -> None:
        job.report(done, f"{doing}, step {done} of {inAll}" if doing.endswith("sampling") else doing)

    return report


def stopIfCancelled(job: Job) -> None:
    """Raises ``CancelledError`` if the job was canceled."""
    if job.isCancelled:
        raise CancelledError("Canceled before the first step; nothing was changed.")


def loadedGenerator(model: str, device: str) -> TumorGenerator:
    """Returns the generator of a bundle (name or folder); from memory if it was the last one used."""
    from TumorGenCore.bundle.folders import METADATA, bundle_folder

    importPackages()
    folder = bundle_folder(model).resolve()
    return modelCache(str(folder), (folder / METADATA).stat().st_mtime_ns, device)


@functools.lru_cache(maxsize=1)
def modelCache(folder: str, changed: int, device: str) -> TumorGenerator:
    """Loads a model and keeps it for the next run, until the bundle or the device changes.

    Args:
        folder: folder of the bundle.
        changed: when its metadata were written, ns; changes if the bundle is trained again.
        device: see ``RunInput``.
    """
    from TumorGenCore.insertion.generator import TumorGenerator

    return TumorGenerator.from_pretrained(folder, device)


def forgetModel() -> None:
    """Frees the memory of the loaded model."""
    modelCache.cache_clear()
