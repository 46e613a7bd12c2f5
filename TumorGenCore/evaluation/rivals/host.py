"""The tissue for a rival: the working patch of a site, without the real tumor in the box."""

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
from TumorGenCore.insertion.placed import PlacedBox, place_box
from TumorGenCore.insertion.scan_noise import FWHM
from TumorGenCore.method.pseudo_mask import fill_box
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

__all__ = [
    "SCANNER_FWHM_MM",
    "Host",
    "Rival",
    "blurred",
    "host_of",
    "paste_patch",
    "random_of",
    "room_mm",
    "soft_weight",
]

#: Function from a site and a seed to image and mask.
Rival = Callable[[Site, int], tuple[sitk.Image, sitk.Image]]

#: Resolution of a scanner, full width at half maximum, mm: about the middle of ``ExampleSettings.resolution_mm``.
SCANNER_FWHM_MM = 6.0
#: Reach of a tumor's blurred edge and of the error of its contour, mm.
SPILL_MM = 10.0


@dataclass(frozen=True)
class Host:
    """The working patch of a site.

    Args:
        placed: box and patch.
        suv: the scan, (k, j, i).
        tissue: the scan, in which a smooth continuation of the surroundings replaces the tumor.
    """

    placed: PlacedBox
    suv: NDArray[np.float32]
    tissue: NDArray[np.float32]

    def with_tumor(self, suv: NDArray, mask: NDArray[np.bool_]) -> tuple[sitk.Image, sitk.Image]:
        """Returns image and mask on the grid of the site, from a patch (k, j, i) with a tumor."""
        return paste_patch(self.placed, self.suv, suv, mask.astype(np.float32))


def host_of(site: Site, settings: PatchSettings) -> Host:
    """Returns the patch of a site without the real tumor, which a paste, unlike a generator, would not hide.

    Args:
        site: the site.
        settings: settings of the working patch.

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
    # On a logarithmic scale, so that the rest of a tumor outside the box does not dominate the mean.
    scan, inside = (torch.from_numpy(part)[None, None] for part in (np.arcsinh(suv), gone.astype(np.float32)))
    filled = np.sinh(fill_box(scan, inside)[0, 0].numpy())
    return Host(placed, suv, np.where(gone, filled, suv))


def paste_patch(
    placed: PlacedBox, original_suv: NDArray, synthetic_suv: NDArray, probability: NDArray
) -> tuple[sitk.Image, sitk.Image]:
    """Pastes a patch from any method as an insertion does, and returns image and mask.

    The mask stays as the method made it; it is not fitted to the uptake.

    Args:
        placed: box and patch.
        original_suv: the working patch before, (k, j, i).
        synthetic_suv: the working patch with the tumor, (k, j, i).
        probability: probability of tumor, (k, j, i), or a 0/1 mask.
    """
    pasted = paste(placed, tissue_change(synthetic_suv, original_suv), probability)
    image = with_region(placed.image, pasted.voxels, pasted.start_ijk)
    return image, on_whole_grid(placed, pasted.tumor, pasted.start_ijk)


def random_of(site: Site, seed: int) -> np.random.Generator:
    """Returns a random generator for a seed and a site, so that one seed gives another tumor at every site."""
    return np.random.default_rng([seed, zlib.crc32(site.name.encode())])


def room_mm(patch: WorkingPatch) -> NDArray[np.float64]:
    """Edges of the part of the box in which a change keeps its full strength, along the patch's axes (i, j, k)."""
    edges = np.asarray(patch.box.size_mm)
    return edges - 2 * np.minimum(TAPER_MM, edges / 5)


def blurred(volume: NDArray, fwhm_mm: float, patch: WorkingPatch) -> NDArray[np.float32]:
    """Blurs a patch to the resolution of a scanner.

    Args:
        volume: values on the patch, (k, j, i).
        fwhm_mm: full width at half maximum of the blur.
        patch: provides the spacing.
    """
    sigma = fwhm_mm / FWHM / patch.grid.spacing_mm[0]
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(volume.astype(np.float32), sigma, mode="nearest")
    return smooth


def soft_weight(mask: NDArray[np.bool_], patch: WorkingPatch) -> NDArray[np.float32]:
    """Weight of a tumor with its own edge: 1 inside its mask, falling to 0 over half a scanner's blur beyond it.

    Args:
        mask: the tumor on the patch, (k, j, i).
        patch: provides the spacing.
    """
    distance = ndimage.distance_transform_edt(~mask, sampling=patch.grid.spacing_mm[0])
    return blurred(distance <= SCANNER_FWHM_MM / 2, SCANNER_FWHM_MM, patch)
