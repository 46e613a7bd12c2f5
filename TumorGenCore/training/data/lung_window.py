"""The window around the lungs to which the paper crops autoPET, by a map of TotalSegmentator (section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.extent import around
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.read import read_mask

__all__ = ["ACROSS_VOXELS", "ALONG_VOXELS", "lung_map_files", "lung_window", "nearest_on_grid"]

#: Voxels of the window across and along the body.
ACROSS_VOXELS, ALONG_VOXELS = 200, 100
#: First of the five lobes' labels in TotalSegmentator 2 and 1.
_FIRST_LOBES = (10, 13)
_LOBES = 5


def lung_map_files(maps: Path, case: str) -> list[Path]:
    """Returns the files of a case that show its lungs; none if there are none.

    Args:
        maps: folder with ``CASE.nii.gz``, one map of all structures, or ``CASE/lung_*_lobe_*.nii.gz``, a map each.
        case: name of the case.
    """
    whole = maps / f"{case}.nii.gz"
    return [whole] if whole.is_file() else sorted((maps / case).glob("lung_*_lobe_*.nii.gz"))


def lung_window(files: Sequence[Path], grid: Grid) -> tuple[tuple[slice, slice, slice], tuple[str, ...]]:
    """Returns the window of 200 x 200 x 100 voxels around the lungs' bounding box; the 100 lie along the body.

    A window that would reach beyond the scan is moved inside. A scan that is shorter is kept whole on that axis.

    Args:
        files: from ``lung_map_files``; on any grid.
        grid: grid of the scan.

    Returns:
        Slices (k, j, i) of the scan, and a sentence for each axis on which the scan is shorter than the window.

    Raises:
        TrainingDataError: the maps show no lung within the scan.
        UnsupportedVolumeError: a map cannot be read.
    """
    lungs = _lungs(files, grid)
    if not lungs.any():
        raise TrainingDataError(
            "The map of the structures shows no lung within the PET. Check that it belongs to this scan."
        )
    sizes = [ACROSS_VOXELS] * 3
    sizes[int(np.argmax(np.abs(grid.direction[2])))] = ALONG_VOXELS
    window, short = [], []
    for axis, box, wanted, there in zip("kji", around(lungs), sizes[::-1], lungs.shape, strict=True):
        first = min(max(round((box.start + box.stop - wanted) / 2), 0), max(there - wanted, 0))
        window.append(slice(first, min(first + wanted, there)))
        if there < wanted:
            short.append(f"The scan has {there} voxels along {axis}, fewer than {wanted}, and is kept whole there.")
    k, j, i = window
    return (k, j, i), tuple(short)


def nearest_on_grid(labels: sitk.Image, grid: Grid) -> NDArray[np.uint8]:
    """Returns labels, 0 to 255, on a grid, (k, j, i): that of the nearest voxel, and 0 outside ``labels``."""
    there = sitk.Resample(labels, grid.empty_image(sitk.sitkUInt8), sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(there)


def _lungs(files: Sequence[Path], grid: Grid) -> NDArray[np.bool_]:
    if len(files) > 1 or files[0].name.startswith("lung_"):
        lungs = np.zeros(grid.size_ijk[::-1], dtype=bool)
        for path in files:
            lungs |= read_mask(path, grid)
        return lungs
    labels = nearest_on_grid(read_checked(files[0]), grid)
    # The two versions number the lobes differently, and a map does not say its version. The labels of the wrong one
    # cover some lobes only, and small organs.
    candidates = [(labels >= first) & (labels < first + _LOBES) for first in _FIRST_LOBES]
    return max(candidates, key=np.count_nonzero)
