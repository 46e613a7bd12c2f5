"""TumorGen itself, as it comes or with a number of steps and a solver."""

from __future__ import annotations

import SimpleITK as sitk

from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.variants import VariantRun

__all__ = ["Own"]

#: A poor tumor's successors come from seeds that start at so many times its own plus one: no other tumor's.
_REDRAW_SEEDS = 1000


class Own:
    """The product's own way, box and model prepared for every tumor as the others do.

    Args:
        generator: the bundle on its device.
        request: steps and solver; poorer tumors than its least quality are drawn again, none where it has none.
    """

    def __init__(self, generator: TumorGenerator, request: TumorRequest | None = None) -> None:
        self.generator, self.request = generator, request or TumorRequest()

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """A tumor of this seed at the site: image in SUV and 0/1 mask, on the site's grid."""
        prepared = self.generator.prepare(site.image, site.box, suv_factor=1)
        start = _REDRAW_SEEDS * (seed + 1)
        redraw_seeds = range(start, start + _REDRAW_SEEDS)
        (variant,) = VariantRun(self.generator, prepared, self.request, (seed,), redraw_seeds=redraw_seeds)
        return variant.image, variant.mask
