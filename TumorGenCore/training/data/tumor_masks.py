"""Masks of real tumors: the parts of their contours with tracer uptake."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.lesions.avid_part import metabolic_part
from TumorGenCore.lesions.extent import around
from TumorGenCore.training.data.cases import Case, Lesion, lesion_mask
from TumorGenCore.volumes.geometry import Grid

__all__ = ["case_tumors", "tumor_mask"]

#: Margin around a contour, voxels: closing gaps at its surface needs the neighbors.
_MARGIN_VOXELS = 4


def tumor_mask(case: Case, lesion: Lesion) -> NDArray[np.bool_]:
    """Returns the part of a lesion's contour with tracer uptake, (k, j, i) on the grid of the case."""
    mask = lesion_mask(lesion, Grid.from_image(case.image))
    block = around(mask, _MARGIN_VOXELS)
    mask[block] = metabolic_part(sitk.GetArrayViewFromImage(case.image)[block], mask[block])
    return mask


def case_tumors(case: Case) -> sitk.Image:
    """Returns the parts of the tumors with tracer uptake, as an image on the grid of the case, 0/1, uint8."""
    grid = Grid.from_image(case.image)
    every = np.zeros(grid.size_ijk[::-1], dtype=bool)
    for lesion in case.lesions:
        every |= tumor_mask(case, lesion)
    return grid.image_from_array(every.astype(np.uint8))
