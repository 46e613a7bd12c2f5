"""A lesion in the box of its site, real or synthetic, cut out alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.crops import block_around
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.lesions.avid_part import without_holes
from TumorGenCore.volumes.geometry import Grid

__all__ = ["DELINEATED_SHARE", "OWN", "SAME", "BoxedLesion", "boxed", "delineated"]

#: Names of the views of lesions: with their own masks, and with one delineation for all.
OWN, SAME = "own masks", "one delineation"
#: Tissue kept around the box, mm.
MARGIN_MM = 20.0
#: Threshold of the common delineation between the tissue (0) and the lesion's 95th percentile (1). With 40 % the
#: delineation agrees best both with real metabolic parts and with synthetic masks.
DELINEATED_SHARE = 0.40


@dataclass(frozen=True)
class BoxedLesion:
    """A lesion and its box, on the scan's own voxels.

    Args:
        patient: patient of the scan.
        seed: seed of a synthetic lesion; 0 for a real one.
        suv: crop of the scan around the box, float32 (k, j, i).
        mask: the lesion inside the box, (k, j, i); empty if none grew.
        box: voxels inside the box, (k, j, i).
        spacing_mm: voxel edges along i, j, k.
    """

    patient: str
    seed: int
    suv: NDArray[np.float32]
    mask: NDArray[np.bool_]
    box: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    @property
    def tissue_suv(self) -> float:
        """Median SUV of the tissue outside the box; of the crop, if the box fills it."""
        around = self.suv[~self.box & (self.suv > 0.1)]
        return float(np.median(around if around.size else self.suv))


def boxed(site: Site, image: sitk.Image, mask: sitk.Image, seed: int = 0) -> BoxedLesion:
    """Cuts out the lesion at a site.

    Args:
        site: the site.
        image: the scan with the lesion, SUV.
        mask: the lesion, above 0 inside, on the grid of the image.
        seed: seed of a synthetic lesion.
    """
    grid = Grid.from_image(image)
    where, part = block_around(site.box, grid, int(np.ceil(MARGIN_MM / min(grid.spacing_mm))))
    suv = sitk.GetArrayViewFromImage(image)[where].astype(np.float32)
    box = site.box.mask(part)
    inside = (sitk.GetArrayViewFromImage(mask)[where] > 0) & box
    return BoxedLesion(site.patient, seed, suv, inside, box, grid.spacing_mm)


def delineated(lesion: BoxedLesion) -> BoxedLesion:
    """Returns the lesion with one delineation for all, so that only the image can tell it from others.

    The delineation is what is connected in the box with the hottest voxel of the mask above ``DELINEATED_SHARE``, with
    its holes. The mask gives the place and the 95th percentile only.
    """
    if not lesion.mask.any():
        return lesion
    uptake = np.where(lesion.mask, lesion.suv, -np.inf)
    hottest = np.unravel_index(int(np.argmax(uptake)), uptake.shape)
    tissue = lesion.tissue_suv
    threshold = tissue + DELINEATED_SHARE * (float(np.percentile(lesion.suv[lesion.mask], 95)) - tissue)
    hot = without_holes((lesion.suv > threshold) & lesion.box)
    labels, _ = ndimage.label(hot)
    return replace(lesion, mask=hot & (labels == labels[hottest])) if hot[hottest] else lesion
