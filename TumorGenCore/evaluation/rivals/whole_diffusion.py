"""Latent diffusion of whole patches, after MedFusion (Müller-Franzes et al., Scientific Reports 2023).

It denoises the latents of image and mask in fifty steps without any condition. VAE, backbone and mask refiner are ours.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.devices import autocast
from TumorGenCore.training.stages.diffusion import denoise
from TumorGenCore.training.stages.rival import TrainedRival
from TumorGenCore.training.stages.rival_stages import estimate_whole_velocity

__all__ = ["DiffusionPatches"]


class DiffusionPatches:
    """Makes patches in fifty DDIM steps; see ``MakePatch``.

    Args:
        generator: provides VAE and mask refiner.
        trained: trained rival of the kind ``whole-diffusion``.
    """

    def __init__(self, generator: TumorGenerator, trained: TrainedRival) -> None:
        bundle = replace(generator.bundle, latent_mean=trained.latent_mean, latent_deviation=trained.latent_deviation)
        self.engine = TumorGenerator(bundle, str(generator.device)).engine
        self.network = trained.network

    @torch.inference_mode()
    def __call__(self, edge: int, draws: torch.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Returns SUV and tumor, both (edge, edge, edge), along k, j, i."""
        engine, vae, device = self.engine, self.engine.bundle.vae, self.engine.device

        def estimate(x_t: torch.Tensor, level: int) -> torch.Tensor:
            return estimate_whole_velocity(self.network, x_t.to(device), torch.full((1,), level, device=device)).cpu()

        noise = torch.randn(1, vae.latent_channels + 1, *(edge // vae.factor,) * 3, generator=draws)
        with autocast(device):
            x = denoise(estimate, noise, "ddim", draws).to(device)
            image, features = vae.decode_with_features(x[:, :-1] * engine.latent_deviation + engine.latent_mean)
            probability = engine.refine(x[:, -1:].clamp(-1, 1), features)
        suv = engine.bundle.scale.to_suv(image.float())
        return suv[0, 0].cpu().numpy(), (probability[0, 0] > 0.5).cpu().numpy()
