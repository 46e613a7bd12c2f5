"""Copy-paste: a real tumor of a training patient, blended into the host with a soft edge."""

from __future__ import annotations

import SimpleITK as sitk

from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.host import host_of, random_of, soft_weight
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
        weight = soft_weight(mask, patch)
        return host.with_tumor(host.tissue * (1 - weight) + donor * weight, mask)
