"""TumorGen itself, as it comes or with a number of steps and a solver."""

from __future__ import annotations

import SimpleITK as sitk

from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.candidates import best_candidates
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.solver_names import Solver

__all__ = ["Own"]

#: A poor tumor's successors come from seeds that start at so many times its own plus one: no other tumor's.
_REDRAW_SEEDS = 1000


class Own:
    """The product's own way, box and model prepared for every tumor as the others do.

    Args:
        generator: the bundle on its device.
        steps: of the sampler; the bundle's by default.
        solver: ``euler``, ``heun`` or ``adams``; the bundle's by default.
        least_quality: poorer tumors are drawn again, as ``candidates.choose`` does; none are by default.
    """

    def __init__(
        self,
        generator: TumorGenerator,
        steps: int | None = None,
        solver: Solver | None = None,
        least_quality: float | None = None,
    ) -> None:
        self.generator, self.steps, self.solver, self.least_quality = generator, steps, solver, least_quality

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """A tumor of this seed at the site: image in SUV and 0/1 mask, on the site's grid."""
        prepared = self.generator.prepare(site.image, site.box, suv_factor=1)
        if self.least_quality is None:  # What nobody asks the quality of is not scored, which would be in its time.
            result = self.generator.generate(prepared, seed=seed, steps=self.steps, solver=self.solver)
        else:
            start = _REDRAW_SEEDS * (seed + 1)
            best = best_candidates(
                self.generator,
                prepared,
                seeds=(seed,),
                least_quality=self.least_quality,
                redraw_seeds=range(start, start + _REDRAW_SEEDS),
                steps=self.steps,
                solver=self.solver,
            )
            result = best.kept[0].made
        return result.image, result.mask
