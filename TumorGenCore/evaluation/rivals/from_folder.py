"""Tumors that another program or a former release inserted at the same sites, read from a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_mask, read_volume

__all__ = ["FromFolder", "site_file"]


def site_file(folder: Path, site: str, seed: int, kind: str) -> Path:
    """Path of the image or mask of one tumor, for example ``STS_001_tumor_seed0_image.nii.gz``.

    Args:
        folder: the folder.
        site: name of the site, as in the progress of ``tell-apart``.
        seed: number of the tumor at the site, from 0.
        kind: ``image``, in SUV, or ``mask``, above 0 inside; both on the grid of the site's scan.
    """
    return folder / f"{site.replace(' ', '_')}_seed{seed}_{kind}.nii.gz"


class FromFolder:
    """Reads the tumors of a folder, see ``site_file``.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask.

        Raises:
            TrainingDataError: a file is missing, or the image lies on another grid.
            UnsupportedVolumeError: a file cannot be read.
        """
        image_file, mask_file = (site_file(self.folder, site.name, seed, kind) for kind in ("image", "mask"))
        for file in (image_file, mask_file):
            if not file.is_file():
                raise TrainingDataError(f"{file} is missing; the folder needs image and mask for each site and seed.")
        image, grid = read_volume(image_file, suv_factor=1).image, Grid.from_image(site.image)
        if image.GetSize() != site.image.GetSize() or not np.allclose(
            Grid.from_image(image).corners_lps, grid.corners_lps, atol=0.01
        ):
            raise TrainingDataError(f"{image_file} lies on another grid than the scan of {site.name}.")
        return image, grid.image_from_array(read_mask(mask_file, grid).astype(np.uint8))
