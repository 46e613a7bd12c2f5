"""A preview as plain values: the box's surroundings go to the worker, the box's voxels come back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.insertion import SegmentResult, loadedGenerator, stopIfCancelled
from TumorGenSlicerLib.run.worker import Job

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import PreparedBox, TumorGenerator
    from TumorGenCore.insertion.uptake_control import UptakeTarget

__all__ = ["PreviewRequest", "PreviewResult", "forgetPreparedBox", "runPreview", "surroundings"]


@dataclass(frozen=True)
class PreviewRequest:
    """One preview.

    Args:
        image: a copy of the ``surroundings`` of the box, in the world (LPS).
        startIjk: of its first voxel in the volume.
        units: of its voxels.
        box: in the world, LPS.
        seed: of the tumor.
        steps: of the solver ``adams``, which needs the fewest.
        model: bundle name or folder.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        target: SUVmax or SUVmean of the tumor.
        fill: share of the box's volume that the tumor shall fill.
    """

    image: sitk.Image
    startIjk: tuple[int, int, int]
    units: PetUnits
    box: Box
    seed: int
    steps: int
    model: str
    device: str
    target: UptakeTarget | None = None
    fill: float | None = None


@dataclass(frozen=True)
class PreviewResult:
    """The voxels that the box can touch.

    Args:
        voxels: with the tumor, (k, j, i), in the volume's pixel type.
        segment: the tumor's mask, of the same voxels.
        seconds: it took, without loading the model.
    """

    voxels: NDArray
    segment: SegmentResult
    seconds: float


def surroundings(
    box: Box, grid: Grid, settings: PatchSettings
) -> tuple[tuple[int, int, int], tuple[slice, slice, slice]]:
    """The part of a volume that the working patch of a box reads: ijk of its first voxel, and its slices (k, j, i).

    Raises:
        InvalidBoxError: the box is too thin or too large.
    """
    patch = WorkingPatch.around(box.canonical(), settings)
    corners = grid.lps_to_index(patch.grid.corners_lps)
    first = np.floor(corners.min(axis=0)).astype(np.int64) - 2
    last = np.ceil(corners.max(axis=0)).astype(np.int64) + 3
    bounds = []
    for a, b, size in zip(first.tolist(), last.tolist(), grid.size_ijk, strict=True):
        # Beyond its edges the volume is mirrored: the mirrored voxels are read, too.
        start, stop = min(a, 2 * size - b), max(b, -a)
        bounds.append((min(max(start, 0), size), max(min(stop, size), 0)))
    (i, _), (j, _), (k, _) = bounds
    return (i, j, k), (slice(*bounds[2]), slice(*bounds[1]), slice(*bounds[0]))


def runPreview(request: PreviewRequest, job: Job) -> PreviewResult:
    """Compute a preview.

    Raises:
        TumorGenError: any of the core's; ``CancelledError`` when the job is cancelled, at the next step.
        ValueError: seed, steps or device cannot be used.
    """
    stopIfCancelled(job)
    generator = loadedGenerator(request.model, request.device)
    stopIfCancelled(job)
    start = time.perf_counter()
    result = generator.generate(
        _prepared(generator, request),
        seed=request.seed,
        steps=request.steps,
        solver="adams",
        target=request.target,
        fill=request.fill,
        should_cancel=lambda: job.isCancelled,
    )
    begin, end = request.box.index_bounds(Grid.from_image(request.image))
    region = tuple(slice(int(a), int(b)) for a, b in zip(begin[::-1], end[::-1], strict=True))
    i, j, k = (int(a) + int(b) for a, b in zip(request.startIjk, begin, strict=True))
    return PreviewResult(
        voxels=sitk.GetArrayViewFromImage(result.image)[region].copy(),
        segment=SegmentResult(sitk.GetArrayViewFromImage(result.mask)[region].copy(), (i, j, k)),
        seconds=time.perf_counter() - start,
    )


@dataclass(frozen=True)
class _Last:
    """The box that was prepared last, and what it was prepared from."""

    networks: tuple[str, str]
    image: sitk.Image
    units: PetUnits
    prepared: PreparedBox

    def fits(self, networks: tuple[str, str], request: PreviewRequest) -> bool:
        return (
            self.networks == networks
            and self.prepared.box == request.box
            and self.units == request.units
            and Grid.from_image(self.image) == Grid.from_image(request.image)
            # A box's surroundings are few voxels: looking at them is quicker than any book-keeping, and surer.
            and np.array_equal(sitk.GetArrayViewFromImage(self.image), sitk.GetArrayViewFromImage(request.image))
        )


_last: list[_Last] = []


def _prepared(generator: TumorGenerator, request: PreviewRequest) -> PreparedBox:
    """The prepared box, from memory where only the seed or the target is another one."""
    from TumorGenCore.volumes.volume import PetVolume

    networks = (generator.bundle.weights_hash, str(generator.device))
    for last in _last[:]:
        if last.fits(networks, request):
            return last.prepared
    prepared = generator.prepare(PetVolume(request.image, request.units), request.box)
    _last[:] = [_Last(networks, request.image, request.units, prepared)]
    return prepared


def forgetPreparedBox() -> None:
    """Free the memory of the box that was prepared last."""
    _last.clear()
