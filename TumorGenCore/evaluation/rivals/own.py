"""TumorGen itself, with a number of steps and a solver."""

from __future__ import annotations

import SimpleITK as sitk

from TumorGenCore.evaluation.insertion import Site
from TumorGenCore.generator import TumorGenerator
from TumorGenCore.solvers import Solver

__all__ = ["Own"]


class Own:
    """The product's own way, box and model prepared for every tumour as the others do.

    Args:
        generator: the bundle on its device.
        steps: of the sampler.
        solver: ``euler``, ``heun`` or ``adams``.
    """

    def __init__(self, generator: TumorGenerator, steps: int, solver: Solver = "euler") -> None:
        self.generator, self.steps, self.solver = generator, steps, solver

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        result = self.generator.insert(
            site.image, site.box, seed=seed, steps=self.steps, solver=self.solver, suv_factor=1
        )
        return result.image, result.mask
