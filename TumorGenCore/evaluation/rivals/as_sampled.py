"""Real tumors after the steps around the vector field: the patch, the VAE, the added noise.

What gives these tumors away is not the work of the vector field, so no training of it mends that.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.paste import BoxRegion, with_region

__all__ = ["AsSampled", "limits"]


class AsSampled:
    """Leaves the real tumor in its box, but takes the content of the box through steps of an insertion.

    Args:
        generator: the bundle on its device.
        vae: encode and decode the patch, too; otherwise it is only sampled and brought back to the scan's voxels.
        noise: then add noise as to a grown tumor, in proportion to the whole uptake.
    """

    def __init__(self, generator: TumorGenerator, vae: bool = False, noise: bool = False) -> None:
        self.generator, self.vae, self.noise = generator, vae, noise

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns the scan with the tumor, SUV, and the tumor's own mask.

        Raises:
            ValueError: there is no real tumor at the site.
        """
        if site.real is None:
            raise ValueError(f"{site.name} has no real tumor")
        prepared = self.generator.prepare(site.image, site.box, suv_factor=1)
        region = BoxRegion.of(prepared)
        suv = prepared.original_suv if self.vae else prepared.sampled_suv()
        change = region.change(TissueChange(np.maximum(suv, 0), np.zeros_like(suv)))
        grain = self.generator.grain(prepared, seed) if self.noise else None
        if grain is not None:
            change = change.with_noise(grain(change.rise.shape))
        return with_region(site.image, region.with_change(change, 1.0), region.start_ijk), site.real


def limits(generator: TumorGenerator) -> dict[str, Rival]:
    """Returns the limits of a bundle by their names in a report."""
    return {
        "real, after the patch": AsSampled(generator),
        "real, after patch and VAE": AsSampled(generator, vae=True),
        "real, after patch, VAE and noise": AsSampled(generator, vae=True, noise=True),
    }
