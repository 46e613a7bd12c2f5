"""The tissue that a rival works on: the working patch of a site, without the real tumor that the box is drawn over."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.change import tissue_change
from TumorGenCore.insertion.paste import TAPER_MM, on_whole_grid, paste, with_region
from TumorGenCore.insertion.prepared import PlacedBox, place_box
from TumorGenCore.method.pseudo_mask import fill_box
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = ["SCANNER_FWHM_MM", "Host", "Rival", "blurred", "host_of", "paste_patch", "random_of", "room_mm"]

#: From a site and a seed to image and mask.
Rival = Callable[[Site, int], tuple[sitk.Image, sitk.Image]]

#: Resolution of a scanner, full width at half maximum, mm: the middle of what training brings shrunk tumors back to.
SCANNER_FWHM_MM = 6.0
#: How far a tumor's blurred edge and its contour's error reach, mm.
SPILL_MM = 10.0


@dataclass(frozen=True)
class Host:
    """A site's working patch.

    Args:
        placed: box and patch.
        suv: the scan, (k, j, i).
        tissue: the same where no tumor is; a smooth continuation of its surroundings in the place of one.
    """

    placed: PlacedBox
    suv: NDArray[np.float32]
    tissue: NDArray[np.float32]

    def with_tumor(self, suv: NDArray, mask: NDArray[np.bool_]) -> tuple[sitk.Image, sitk.Image]:
        """Image and mask on the site's grid, of a patch (k, j, i) with a tumor."""
        return paste_patch(self.placed, self.suv, suv, mask.astype(np.float32))


def host_of(site: Site, settings: PatchSettings) -> Host:
    """The patch of a site, with the real tumor taken out: a paste would not hide it as a generator does.

    Args:
        site: where.
        settings: of the working patch.

    Raises:
        InvalidBoxError: the box does not fit the scan.
    """
    placed = place_box(site.image, site.box, settings, suv_factor=1)
    patch = placed.patch
    suv = patch.sample(placed.image)
    if site.real is None:
        return Host(placed, suv, suv)
    real = patch.sample(sitk.Cast(site.real, sitk.sitkFloat32)) > 0.5
    if not real.any():
        return Host(placed, suv, suv)
    near = ndimage.distance_transform_edt(~real, sampling=patch.grid.spacing_mm[0]) <= SPILL_MM
    gone = near & (patch.box_coverage() > 0)
    # On a logarithmic scale, or what is left of a tumor outside the box would set the mean.
    scan, inside = (torch.from_numpy(part)[None, None] for part in (np.arcsinh(suv), gone.astype(np.float32)))
    filled = np.sinh(fill_box(scan, inside)[0, 0].numpy())
    return Host(placed, suv, np.where(gone, filled, suv))


def paste_patch(
    placed: PlacedBox, original_suv: NDArray, synthetic_suv: NDArray, probability: NDArray
) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask as an insertion gives them, whatever made the patch. The mask is the maker's own: it is not fitted
    to the uptake.

    Args:
        placed: where.
        original_suv: the working patch before, (k, j, i).
        synthetic_suv: with the tumor, (k, j, i).
        probability: of the tumor, (k, j, i); a mask of 0 and 1 will do.
    """
    pasted = paste(placed, tissue_change(synthetic_suv, original_suv), probability)
    image = with_region(placed.image, pasted.voxels, pasted.start_ijk)
    return image, on_whole_grid(placed, pasted.tumor, pasted.start_ijk)


def random_of(site: Site, seed: int) -> np.random.Generator:
    """Random numbers of a seed at a site: one seed shall not give the same tumor at every site."""
    return np.random.default_rng([seed, zlib.crc32(site.name.encode())])


def room_mm(patch: WorkingPatch) -> NDArray[np.float64]:
    """Edges of the part of the box where a change keeps its full strength, along the patch's axes (i, j, k)."""
    edges = np.asarray(patch.box.size_mm)
    return edges - 2 * np.minimum(TAPER_MM, edges / 5)


def blurred(volume: NDArray, fwhm_mm: float, patch: WorkingPatch) -> NDArray[np.float32]:
    """A patch as a scanner of this resolution would show it.

    Args:
        volume: (k, j, i) on the patch.
        fwhm_mm: full width at half maximum of the blur.
        patch: gives the spacing.
    """
    sigma = fwhm_mm / (2 * np.sqrt(2 * np.log(2))) / patch.grid.spacing_mm[0]
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(volume.astype(np.float32), sigma, mode="nearest")
    return smooth
