"""A run as plain values: what is read from the scene before it, and what is computed without the scene.

``InsertionRequest`` is made on the main thread; ``runRequest`` works on it on the worker's thread, with the core only.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import CancelledError
from TumorGenCore.insertion.candidates import choose
from TumorGenCore.lesions.measures import PEAK_RADIUS_MM, LesionMeasures, measure_lesion
from TumorGenCore.lesions.quality import QualityScore, worst
from TumorGenCore.method.solver_names import Solver
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.worker import Job

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import PreparedBox, TumorGenerator
    from TumorGenCore.insertion.uptake_control import UptakeTarget

__all__ = [
    "InsertionRequest",
    "SegmentResult",
    "VariantResult",
    "boxSeed",
    "forgetModel",
    "loadedGenerator",
    "runRequest",
    "stopIfCancelled",
]


@dataclass(frozen=True)
class InsertionRequest:
    """One run.

    Args:
        image: a copy of the volume, in the world (LPS).
        units: of its voxels.
        boxes: in the world, LPS; tumors are inserted in this order, each seeing those before it.
        seeds: one variant each.
        steps: of the solver.
        solver: ``euler``, ``heun`` or ``adams``.
        model: bundle name or folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        softMask: whether to keep the soft mask.
        target: SUVmax or SUVmean that each tumor shall have.
        fill: share of its box's volume that each tumor shall fill.
        leastQuality: variants of a lower quality, 0 to 1, are drawn again; None draws none again.
        warnings: about the input, for every variant.
    """

    image: sitk.Image
    units: PetUnits
    boxes: tuple[Box, ...]
    seeds: tuple[int, ...]
    steps: int
    solver: Solver
    model: str
    device: str
    softMask: bool
    target: UptakeTarget | None = None
    fill: float | None = None
    leastQuality: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def stepsInAll(self) -> int:
        return self.steps * len(self.boxes) * len(self.seeds)


@dataclass(frozen=True)
class SegmentResult:
    """The tumor of one box: a crop of the volume's grid, uint8 (k, j, i), and the ijk of the crop's first voxel."""

    mask: NDArray[np.uint8]
    startIjk: tuple[int, int, int]


@dataclass(frozen=True)
class VariantResult:
    """One synthetic volume.

    Args:
        seed: the variant's.
        image: the whole volume in the input's pixel type; outside all boxes identical to the input.
        segments: one per box, disjoint.
        softMask: whole volume (k, j, i), float32, if asked for.
        measures: of all tumors together.
        quality: of the poorest tumor.
        provenance: the core's record. For several boxes the lists of box centers, sizes and axes follow each other, and
            ``box_seeds`` holds the seed of each.
        warnings: in plain words.
        seconds: this variant took.
        partSeconds: of the first box, by the core's names of the parts; its preparation is among them.
    """

    seed: int
    image: sitk.Image
    segments: tuple[SegmentResult, ...]
    softMask: NDArray[np.float32] | None
    measures: LesionMeasures
    quality: QualityScore
    provenance: dict[str, Any]
    warnings: tuple[str, ...]
    seconds: float
    partSeconds: dict[str, float]


def boxSeed(seed: int, box: int) -> int:
    """Seed of the tumor in box number ``box`` (from 0): the variant's own in the first.

    In boxes of one size the same seed would grow the same tumor again.
    """
    return seed if box == 0 else int(np.random.SeedSequence([seed, box]).generate_state(1)[0])


def runRequest(request: InsertionRequest, job: Job) -> list[VariantResult]:
    """Compute all variants of a request, the best first; reports to ``job`` after each sampling step.

    Raises:
        TumorGenError: any of the core's; ``CancelledError`` when the job is cancelled.
        ValueError: seed, steps, solver or device cannot be used.
    """
    job.report(0, "loading the model")
    stopIfCancelled(job)
    generator = loadedGenerator(request.model, request.device)
    stopIfCancelled(job)
    job.report(0, "reading the box")
    run = _Run(request, generator, job)
    best = choose(run.variants, request.seeds, lambda variant: variant.quality, request.leastQuality)
    remarks = [tuple(filter(None, (best.remark, best.remark_on(candidate)))) for candidate in best.kept]
    return [
        replace(candidate.made, warnings=(*candidate.made.warnings, *said))
        for candidate, said in zip(best.kept, remarks, strict=True)
    ]


class _Run:
    """One request with what its variants share: the first box, which no other tumor has changed, is prepared once."""

    def __init__(self, request: InsertionRequest, generator: TumorGenerator, job: Job) -> None:
        self.request, self.generator, self.job = request, generator, job
        self.grid = Grid.from_image(request.image)
        self.first = self._prepare(request.image, request.boxes[0])
        self.stepsDone = 0
        self.tumors = 0
        self.tumorsInAll = 0

    def variants(self, seeds: Sequence[int]) -> list[VariantResult]:
        """One for each seed; called again for those that are drawn again."""
        self.tumorsInAll += len(seeds) * len(self.request.boxes)
        return [self.variant(seed) for seed in seeds]

    def variant(self, seed: int) -> VariantResult:
        start = time.perf_counter()
        request = self.request
        image = request.image
        labels = np.zeros(request.image.GetSize()[::-1], dtype=np.uint16)
        softMask = np.zeros(labels.shape, dtype=np.float32) if request.softMask else None
        records: list[dict[str, Any]] = []
        partSeconds: dict[str, float] = {}
        warnings = list(request.warnings)
        qualities: list[QualityScore] = []
        for number, box in enumerate(request.boxes):
            prepared = self.first if number == 0 else self._prepare(image, box)
            result = self.generator.generate(
                prepared,
                seed=boxSeed(seed, number),
                steps=request.steps,
                solver=request.solver,
                target=request.target,
                fill=request.fill,
                on_progress=self._progress(),
                should_cancel=lambda: self.job.isCancelled,
            )
            self._finishTumor()
            image = result.image
            self._mark(labels, softMask, number + 1, box, result)
            records.append(dict(result.provenance))
            qualities.append(result.quality)
            partSeconds = partSeconds or result.seconds
            warnings += [line for line in result.warnings if line not in warnings]
        return VariantResult(
            seed=seed,
            image=image,
            segments=tuple(self._segment(labels, n + 1, box) for n, box in enumerate(request.boxes)),
            softMask=softMask,
            measures=self._measure(image, labels),
            quality=worst(qualities),
            provenance=_joinedProvenance(records),
            warnings=tuple(warnings),
            seconds=time.perf_counter() - start,
            partSeconds=partSeconds,
        )

    def _prepare(self, image: sitk.Image, box: Box) -> PreparedBox:
        from TumorGenCore.volumes.volume import PetVolume

        return self.generator.prepare(PetVolume(image, self.request.units), box)

    def _progress(self) -> Callable[[int, int, str], None]:
        inAll = self.tumorsInAll
        which = f"tumor {self.tumors + 1} of {inAll}, " if inAll > 1 else ""

        def report(done: int, steps: int, doing: str) -> None:
            text = f"step {done} of {steps}" if doing == "sampling" else doing
            self.job.report(self.stepsDone + done, which + text, inAll * steps)

        return report

    def _finishTumor(self) -> None:
        self.tumors += 1
        self.stepsDone += self.request.steps

    def _mark(self, labels: NDArray, softMask: NDArray | None, label: int, box: Box, result: Any) -> None:
        """Mark a tumor. What the box replaced is no tumor any more: there the marks of earlier ones go."""
        from TumorGenCore.insertion.generator import TAPER_MM
        from TumorGenCore.volumes.patch import paste_window

        _, region = box.voxels(self.grid)
        replaced = paste_window(box, self.grid, region, TAPER_MM) >= 0.5
        mask = sitk.GetArrayViewFromImage(result.mask)[region] > 0
        labels[region][replaced] = 0
        labels[region][mask] = label
        if softMask is not None:
            softMask[region][replaced] = 0
            probability = sitk.GetArrayViewFromImage(result.mask_probability)[region]
            softMask[region] = np.maximum(softMask[region], probability)

    def _measure(self, image: sitk.Image, labels: NDArray) -> LesionMeasures:
        """Of all tumors together, on the part of the volume that holds the boxes."""
        margin = math.ceil(2 * PEAK_RADIUS_MM / min(self.grid.spacing_mm))
        starts, stops = zip(*(box.index_bounds(self.grid, margin) for box in self.request.boxes), strict=True)
        bounds = zip(np.min(starts, axis=0)[::-1], np.max(stops, axis=0)[::-1], strict=True)
        around = tuple(slice(start, stop) for start, stop in bounds)
        # Under a shearing transform voxels are smaller than the product of their edges.
        shrink = abs(np.linalg.det(self.grid.direction)) ** (1 / 3)
        i, j, k = (edge * shrink for edge in self.grid.spacing_mm)
        suv = sitk.GetArrayViewFromImage(image)[around] * self.request.units.suv_factor
        return measure_lesion(suv, labels[around] > 0, (i, j, k))

    def _segment(self, labels: NDArray, label: int, box: Box) -> SegmentResult:
        _, region = box.voxels(self.grid)
        k, j, i = (int(s.start) for s in region)
        return SegmentResult((labels[region] == label).astype(np.uint8), (i, j, k))


def _joinedProvenance(records: list[dict[str, Any]]) -> dict[str, Any]:
    """One record for all boxes: the first's, which saw the input itself, with the boxes of all."""
    joined = dict(records[0])
    if len(records) > 1:
        for key in ("box_center_lps", "box_size_mm", "box_axes"):
            joined[key] = [number for record in records for number in record[key]]
        joined["box_seeds"] = [record["seed"] for record in records]
    return joined


def stopIfCancelled(job: Job) -> None:
    """Raise ``CancelledError`` if the job was cancelled."""
    if job.isCancelled:
        raise CancelledError("Cancelled before the first step; nothing was changed.")


def loadedGenerator(model: str, device: str) -> TumorGenerator:
    """The generator of a bundle (name or folder), from memory where it is the last one that was used."""
    from TumorGenCore.bundle.folders import METADATA, bundle_folder

    folder = bundle_folder(model).resolve()
    return _generator(str(folder), (folder / METADATA).stat().st_mtime_ns, device)


@functools.lru_cache(maxsize=1)
def _generator(folder: str, changed: int, device: str) -> TumorGenerator:
    """The model stays loaded for the next run; another bundle, a bundle trained anew or another device replaces it."""
    from TumorGenCore.insertion.generator import TumorGenerator

    return TumorGenerator.from_pretrained(folder, device)


def forgetModel() -> None:
    """Free the loaded model's memory."""
    _generator.cache_clear()
