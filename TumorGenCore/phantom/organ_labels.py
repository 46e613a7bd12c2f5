"""The organs of a phantom as a label map, with the numbers of TotalSegmentator."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.phantom.scanner import Scan
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.label_names import TOTAL_SEGMENTATOR

__all__ = ["organ_labels"]

#: Organs with the tissues of ``TISSUES`` that they consist of. Bones and vessels have no names in a phantom.
_ORGANS: dict[str, tuple[str, ...]] = {
    "spleen": ("spleen",),
    "liver": ("liver",),
    "stomach": ("stomach",),
    "pancreas": ("pancreas",),
    "esophagus": ("oesophagus",),
    "thyroid_gland": ("thyroid",),
    "small_bowel": ("bowel",),
    "colon": ("rectum",),
    "urinary_bladder": ("bladder",),
    "prostate": ("prostate",),
    "heart": ("myocardium",),
    "spinal_cord": ("cord",),
    "brain": ("gray matter", "white matter", "ventricle", "cerebellum", "brain stem"),
    "skull": ("skull",),
}
#: Lobes of each lung from below, which share its height evenly.
_LOBES = {"left": ("lower", "upper"), "right": ("lower", "middle", "upper")}
_NUMBERS = {name: number for number, name in TOTAL_SEGMENTATOR.items()}


def organ_labels(scan: Scan) -> sitk.Image:
    """Returns the organs of a phantom's scan as a label map with the numbers of ``TOTAL_SEGMENTATOR``.

    The phantom knows tissues. So all bowel but the rectum is small bowel, the heart is its muscle, and the lobes of a
    lung are parts of the same height.

    Args:
        scan: scan of a phantom.

    Returns:
        uint8 on the grid of the scan; 0 is no organ.
    """
    grid = Grid.from_image(scan.image)
    labels = np.zeros(scan.organs.shape, dtype=np.uint8)
    for name, tissues in _ORGANS.items():
        labels[scan.where(tissues)] = _NUMBERS[name]
    for side, kidney in _sides(scan.where(("kidney",)), grid).items():
        labels[kidney] = _NUMBERS[f"kidney_{side}"]
    for side, lung in _sides(scan.where(("lung",)), grid).items():
        for lobe, part in zip(_LOBES[side], _parts(lung, grid, axis=2, count=len(_LOBES[side])), strict=True):
            labels[part] = _NUMBERS[f"lung_{lobe}_lobe_{side}"]
    return grid.image_from_array(labels)


def _sides(pair: NDArray[np.bool_], grid: Grid) -> dict[str, NDArray[np.bool_]]:
    """Parts a pair of organs at the middle of its extent from left to right."""
    right, left = _parts(pair, grid, axis=0, count=2)
    return {"left": left, "right": right}


def _parts(mask: NDArray[np.bool_], grid: Grid, axis: int, count: int) -> list[NDArray[np.bool_]]:
    """Parts a mask along an axis of LPS into pieces of the same extent, in the sense of the axis."""
    found = np.argwhere(mask)
    along = grid.index_to_lps(found[:, ::-1])[:, axis]
    low, high = (along.min(), along.max()) if len(along) else (0.0, 0.0)
    piece = np.clip((along - low) / max(high - low, 1e-6) * count, 0, count - 1).astype(int)
    parts = [np.zeros_like(mask) for _ in range(count)]
    for number, part in enumerate(parts):
        part[tuple(found[piece == number].T)] = True
    return parts
