"""TumorGen itself, with its default settings or with a given number of steps and solver."""

from __future__ import annotations

import SimpleITK as sitk

from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.variants import VariantRun

__all__ = ["Own"]

#: Replacements of a poor tumor use seeds from this number times (its seed + 1), which no other tumor uses.
_REDRAW_SEEDS = 1000


class Own:
    """Inserts by the product's own method, and prepares the box for every tumor, as the other methods do.

    Args:
        generator: the bundle on its device.
        request: steps and solver. Tumors below its least quality, if it has one, are replaced by new ones.
    """

    def __init__(self, generator: TumorGenerator, request: TumorRequest | None = None) -> None:
        self.generator, self.request = generator, request or TumorRequest()

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask with a tumor of this seed, on the grid of the site."""
        prepared = self.generator.prepare(site.image, site.box, suv_factor=1)
        start = _REDRAW_SEEDS * (seed + 1)
        redraw_seeds = range(start, start + _REDRAW_SEEDS)
        (variant,) = VariantRun(self.generator, prepared, self.request, (seed,), redraw_seeds=redraw_seeds)
        return variant.image, variant.mask
