"""Copy-paste: a real tumor of a training patient, blended into the host with a soft edge."""

from __future__ import annotations

import SimpleITK as sitk
from scipy import ndimage

from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.host import SCANNER_FWHM_MM, blurred, host_of, random_of
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.volumes.patch import PatchSettings

__all__ = ["CopyPaste"]


class CopyPaste:
    """Pastes the donor's uptake inside its mask and half a scanner's blur beyond it, which keeps the tumor's own edge.

    Args:
        donors: real tumors.
        settings: settings of the working patch.
    """

    def __init__(self, donors: Donors, settings: PatchSettings) -> None:
        self.donors, self.settings = donors, settings

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask with a tumor of this seed, on the grid of the site.

        Raises:
            TrainingDataError: no donor fits the box.
        """
        host = host_of(site, self.settings)
        patch = host.placed.patch
        donor, mask = self.donors.fitted(random_of(site, seed), patch)
        distance = ndimage.distance_transform_edt(~mask, sampling=patch.grid.spacing_mm[0])
        weight = blurred(distance <= SCANNER_FWHM_MM / 2, SCANNER_FWHM_MM, patch)
        return host.with_tumor(host.tissue * (1 - weight) + donor * weight, mask)
