"""Blended latents, after blended latent diffusion (Avrahami et al., ACM Trans. Graph. 2023).

The network sees neither the surroundings nor the box. Only the known latents, restored at every step, fit the tumor to
its place.
"""

from __future__ import annotations

from dataclasses import replace

import SimpleITK as sitk
import torch
from torch import nn

from TumorGenCore.evaluation.sites import Site
from TumorGenCore.evaluation.studies.insertion_switches import Unfitted
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.training.stages.diffusion import LEVELS
from TumorGenCore.training.stages.rival import TrainedRival
from TumorGenCore.training.stages.rival_stages import without_condition

__all__ = ["BlendedLatents"]


class _Unconditional(nn.Module):
    """Replaces the vector field of a bundle."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, x_t: torch.Tensor, z_m: torch.Tensor, box: torch.Tensor, t: torch.Tensor, *_: object
    ) -> torch.Tensor:
        """Returns the velocity and ignores the controls. For the arguments see ``without_condition``."""
        return without_condition(self.network, x_t, z_m, box, t)


class BlendedLatents:
    """Makes tumor and mask in fifty Euler steps; only the blending fits them to the surroundings.

    Args:
        generator: provides VAE, mask refiner and inpainting constraint.
        trained: trained rival of the kind ``unconditional``.
    """

    def __init__(self, generator: TumorGenerator, trained: TrainedRival) -> None:
        bundle = replace(
            generator.bundle,
            vector_field=_Unconditional(trained.network),  # type: ignore[arg-type]
            latent_mean=trained.latent_mean,
            latent_deviation=trained.latent_deviation,
            sampling=Sampling(LEVELS, "euler"),
        )
        self.generator = Unfitted(bundle, str(generator.device))

    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask with a tumor of this seed, on the grid of the site."""
        result = self.generator.insert(site.image, site.box, seed=seed, suv_factor=1)
        return result.image, result.mask
