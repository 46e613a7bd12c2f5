"""Mask-conditioned latent diffusion on TumorGen's backbone, after DiffTumor (Chen et al., CVPR 2024).

The mask is given first and returned unchanged. Fifty steps denoise the latents of the image; at the end, the
surrounding tissue is restored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray

from TumorGenCore.evaluation.rivals.host import paste_patch, random_of
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.devices import autocast
from TumorGenCore.training.data.latents import occupancy
from TumorGenCore.training.stages.diffusion import DiffusionSampler, denoise
from TumorGenCore.training.stages.rival import TrainedRival
from TumorGenCore.training.stages.rival_stages import estimate_velocity
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["LatentDiffusion"]

Shape = Callable[[np.random.Generator, WorkingPatch], NDArray[np.bool_]]


class LatentDiffusion:
    """Makes a tumor for a given mask.

    Args:
        generator: provides VAE and working patch.
        trained: trained rival of the kind ``diffusion``.
        shape: function that makes the mask on a working patch, (k, j, i).
        sampler: ``ddpm`` or ``ddim``, fifty steps each.
    """

    def __init__(
        self, generator: TumorGenerator, trained: TrainedRival, shape: Shape, sampler: DiffusionSampler
    ) -> None:
        bundle = replace(generator.bundle, latent_mean=trained.latent_mean, latent_deviation=trained.latent_deviation)
        self.generator = TumorGenerator(bundle, str(generator.device))
        self.network, self.shape, self.sampler = trained.network, shape, sampler

    @torch.inference_mode()
    def __call__(self, site: Site, seed: int) -> tuple[sitk.Image, sitk.Image]:
        """Returns image in SUV and 0/1 mask with a tumor of this seed, on the grid of the site."""
        prepared = self.generator.prepare(site.image, site.box, suv_factor=1)
        box = prepared.encoded
        bundle, device, rng = self.generator.bundle, self.generator.device, random_of(site, seed)
        mask = self.shape(rng, prepared.patch)
        m = occupancy(torch.from_numpy(mask.astype(np.float32))[None, None], bundle.vae.factor).to(device)
        draws = torch.Generator().manual_seed(int(rng.integers(2**63)))

        def estimate(z_t: torch.Tensor, level: int) -> torch.Tensor:
            at = torch.full((1,), level, device=device)
            return estimate_velocity(self.network, z_t.to(device), m, box.z_m, box.box_latent, at).cpu()

        with autocast(device):
            z = denoise(estimate, torch.randn(box.z_1.shape, generator=draws), self.sampler, draws).to(device)
            z = box.box_latent * z + (1 - box.box_latent) * box.z_1
            mean, deviation = (
                torch.tensor(v, device=device).reshape(1, -1, 1, 1, 1)
                for v in (bundle.latent_mean, bundle.latent_deviation)
            )
            synthetic = bundle.scale.to_suv(bundle.vae.decode(z * deviation + mean).float())
        original, made = (suv[0, 0].cpu().numpy() for suv in (box.original_suv, synthetic))
        return paste_patch(prepared, original, made, mask.astype(np.float32))
