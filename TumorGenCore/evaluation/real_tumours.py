"""What a real tumour is to an evaluation: the part of its contour that takes up tracer, as in training."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.geometry import Grid
from TumorGenCore.training.data import Case
from TumorGenCore.training.metabolic_part import tumour_mask

__all__ = ["case_tumours", "tumour_mask"]


def case_tumours(case: Case) -> sitk.Image:
    """The tumours of a case, 0/1 uint8 on its grid."""
    grid = Grid.from_image(case.image)
    every = np.zeros(grid.size_ijk[::-1], dtype=bool)
    for lesion in case.lesions:
        every |= tumour_mask(case, lesion)
    return grid.image_from_array(every.astype(np.uint8))
