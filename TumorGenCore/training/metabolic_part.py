"""The part of a contour that takes up tracer: what a mask means, in training and in evaluation alike."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.geometry import Grid
from TumorGenCore.training.data import Case, Lesion, lesion_mask

__all__ = ["METABOLIC_SHARE", "case_tumours", "largest_piece", "metabolic_part", "tumour_mask"]

#: Threshold of metabolic tumour volume, as a share of the hottest uptake (41 %, Boellaard et al., EANM 2015).
METABOLIC_SHARE = 0.41
#: Voxels kept around a contour: closing gaps at its surface needs the neighbours.
_MARGIN_VOXELS = 4


def metabolic_part(suv: NDArray, contour: NDArray[np.bool_], share: float = METABOLIC_SHARE) -> NDArray[np.bool_]:
    """The largest piece of each connected contour above a share of its 95th percentile; holes (necrosis) are kept in.

    Contours drawn on MR or CT reach beyond what PET shows, and would teach masks that do not fit the image.

    Args:
        suv: (k, j, i).
        contour: (k, j, i); a piece of it stays as it is where what is hot is less than a quarter of it.
        share: of the 95th percentile, which is less at the mercy of noise than the maximum.
    """
    labels, count = ndimage.label(contour)
    part = np.zeros_like(contour)
    for label in range(1, count + 1):
        part |= _hot_part(suv, labels == label, share)
    return part


def tumour_mask(case: Case, lesion: Lesion) -> NDArray[np.bool_]:
    """The part of a lesion's contour that takes up tracer, (k, j, i) on the case's grid."""
    mask = lesion_mask(lesion, Grid.from_image(case.image))
    # Of a whole body only the neighbourhood is looked at.
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    around = tuple(slice(max(0, s.start - _MARGIN_VOXELS), s.stop + _MARGIN_VOXELS) for s in found)
    suv = sitk.GetArrayViewFromImage(case.image)[around]
    mask[around] = metabolic_part(suv, mask[around])
    return mask


def case_tumours(case: Case) -> sitk.Image:
    """The parts of a case's tumours that take up tracer, 0/1 uint8 on its grid."""
    grid = Grid.from_image(case.image)
    every = np.zeros(grid.size_ijk[::-1], dtype=bool)
    for lesion in case.lesions:
        every |= tumour_mask(case, lesion)
    return grid.image_from_array(every.astype(np.uint8))


def _hot_part(suv: NDArray, contour: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    hot = contour & (suv > share * np.percentile(suv[contour], 95))
    hot = ndimage.binary_fill_holes(ndimage.binary_closing(hot, iterations=2)) & contour
    hot = largest_piece(hot)
    return hot if hot.sum() > 0.25 * contour.sum() else contour


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece of a mask of any shape; an empty one stays empty."""
    labels, count = ndimage.label(mask)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count > 1 else mask
