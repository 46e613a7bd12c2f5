"""A preview as plain values: the worker takes the surroundings of a box and returns the voxels of the box."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from TumorGenCore.insertion.segment import Segment
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits
from TumorGenSlicerLib.run.insertion import RunInput, loadedGenerator, stopIfCancelled
from TumorGenSlicerLib.run.worker import Job
from TumorGenSlicerLib.scene.preview_nodes import PreviewVoxels

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.insertion.prepared import PreparedBox

__all__ = ["forgetPreparedBox", "runPreview", "surroundings"]


def surroundings(
    box: Box, grid: Grid, settings: PatchSettings
) -> tuple[tuple[int, int, int], tuple[slice, slice, slice]]:
    """Returns the part of a volume that the working patch of a box reads: first voxel (ijk) and slices (k, j, i).

    Raises:
        InvalidBoxError: the box is too thin or too large.
    """
    patch = WorkingPatch.around(box.canonical(), settings)
    corners = grid.lps_to_index(patch.grid.corners_lps)
    first = np.floor(corners.min(axis=0)).astype(np.int64) - 2
    last = np.ceil(corners.max(axis=0)).astype(np.int64) + 3
    bounds = []
    for a, b, size in zip(first.tolist(), last.tolist(), grid.size_ijk, strict=True):
        # The patch mirrors the volume at its edges, so it also reads the voxels that it mirrors.
        start, stop = min(a, 2 * size - b), max(b, -a)
        bounds.append((min(max(start, 0), size), max(min(stop, size), 0)))
    (i, _), (j, _), (k, _) = bounds
    return (i, j, k), (slice(*bounds[2]), slice(*bounds[1]), slice(*bounds[0]))


def runPreview(source: RunInput, startIjk: tuple[int, int, int], job: Job) -> PreviewVoxels:
    """Computes a preview.

    Args:
        source: the ``surroundings`` of one box, and one seed.
        startIjk: index of the first voxel of the surroundings in the volume.
        job: job that may be canceled.

    Raises:
        TumorGenError: any error of the core; ``CancelledError`` at the next step after the job was canceled.
    """
    stopIfCancelled(job)
    generator = loadedGenerator(source.model, source.device)
    stopIfCancelled(job)
    start = time.perf_counter()
    tumor = generator.generate(
        _prepared(generator, source), source.request, seed=source.seeds[0], should_cancel=lambda: job.isCancelled
    )
    pasted = tumor.pasted
    i, j, k = (a + b for a, b in zip(startIjk, pasted.start_ijk, strict=True))
    return PreviewVoxels(pasted.voxels, Segment(pasted.tumor, (i, j, k)), time.perf_counter() - start)


@dataclass(frozen=True)
class _Last:
    """The box that was prepared last, and its sources."""

    networks: tuple[str, str]
    image: sitk.Image
    units: PetUnits
    prepared: PreparedBox

    def fits(self, networks: tuple[str, str], source: RunInput) -> bool:
        return (
            self.networks == networks
            and self.prepared.box == source.boxes[0]
            and self.units == source.units
            and Grid.from_image(self.image) == Grid.from_image(source.image)
            # The surroundings of a box are few voxels: comparing them is quicker and safer than tracking changes.
            and np.array_equal(sitk.GetArrayViewFromImage(self.image), sitk.GetArrayViewFromImage(source.image))
        )


_last: list[_Last] = []


def _prepared(generator: TumorGenerator, source: RunInput) -> PreparedBox:
    """Returns the prepared box; from memory if only the seed or the target changed."""
    from TumorGenCore.volumes.volume import PetVolume

    networks = (generator.bundle.bundle_hash, str(generator.device))
    for last in _last[:]:
        if last.fits(networks, source):
            return last.prepared
    prepared = generator.prepare(PetVolume(source.image, source.units), source.boxes[0])
    _last[:] = [_Last(networks, source.image, source.units, prepared)]
    return prepared


def forgetPreparedBox() -> None:
    """Frees the memory of the box that was prepared last."""
    _last.clear()
