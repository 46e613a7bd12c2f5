"""Real tumors after the steps around the vector field: the patch, the VAE, the added noise.

What gives these tumors away is not the work of the vector field, so no training of it mends that.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.paste import BoxRegion, with_region
from TumorGenCore.insertion.placed import place_box

__all__ = ["AsSampled", "limits"]


class AsSampled:
    """Leaves the real tumor in its box, but takes the content of the box through steps of an insertion.

    Args:
        generator: the bundle on its device.
        steps: the last step: ``patch`` samples the box and brings it back to the scan's voxels, ``vae`` encodes and
            decodes it between, ``noise`` then adds noise as to a grown tumor, in proportion to the whole uptake.
    """

    def __init__(self, generator: TumorGenerator, steps: Literal["patch", "vae", "noise"]) -> None:
        self.generator, self.steps = generator, steps

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns the scan with the tumor, SUV, and the tumor's own mask.

        Raises:
            ValueError: there is no real tumor at the site.
        """
        if site.real is None:
            raise ValueError(f"{site.name} has no real tumor")
        grain = None
        if self.steps == "patch":
            placed = place_box(site.image, site.box, self.generator.bundle.patch, suv_factor=1)
            suv = placed.sampled_suv()
        else:
            placed = prepared = self.generator.prepare(site.image, site.box, suv_factor=1)
            suv = prepared.original_suv
            if self.steps == "noise":
                grain = self.generator.grain(prepared, seed)
        region = BoxRegion.of(placed)
        change = region.change(TissueChange(np.maximum(suv, 0), np.zeros_like(suv)))
        if grain is not None:
            change = change.with_noise(grain(change.rise.shape))
        return with_region(site.image, region.with_change(change, 1.0), region.start_ijk), site.real


def limits(generator: TumorGenerator) -> dict[str, Rival]:
    """Returns the limits of a bundle by their names in a report."""
    return {
        "real, after the patch": AsSampled(generator, "patch"),
        "real, after patch and VAE": AsSampled(generator, "vae"),
        "real, after patch, VAE and noise": AsSampled(generator, "noise"),
    }
