"""The rivals' denoising diffusion: fifty noise levels, in training as in sampling, over any callable estimate.

MONAI's ``DDPMScheduler`` steps from a level to the next one, however few of them it is told to take: a network that was
trained with a thousand levels would leave most of the noise where it is. So there are no more levels than steps.

What is estimated is v = sqrt(a) noise - sqrt(1 - a) data (Salimans and Ho, ICLR 2022). An estimate of the noise alone
has its error multiplied a hundredfold at the noisiest levels, which few training steps do not forgive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

__all__ = ["LEVELS", "DiffusionSampler", "add_noise", "denoise", "diffusion_velocity"]

LEVELS = 50
DiffusionSampler = Literal["ddpm", "ddim"]
#: Square roots of the variances rise linearly, as in latent diffusion; at the last level 0.01 % of the signal is left.
_SCHEDULE = {"num_train_timesteps": LEVELS, "schedule": "scaled_linear_beta", "beta_start": 0.002, "beta_end": 0.44}


def add_noise(data: torch.Tensor, noise: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """sqrt(a) data + sqrt(1 - a) noise, of any shape (n, ...); ``level`` (n,), 0 to 49, 49 is noisiest."""
    noisy: torch.Tensor = DDPMScheduler(**_SCHEDULE).add_noise(data, noise, level)  # type: ignore[arg-type]
    return noisy


def diffusion_velocity(data: torch.Tensor, noise: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """The velocity v of data and noise, of any shape (n, ...), at levels (n,): what a network learns to estimate."""
    velocity: torch.Tensor = DDPMScheduler(**_SCHEDULE).get_velocity(data, noise, level)  # type: ignore[arg-type]
    return velocity


def denoise(
    estimate: Callable[[torch.Tensor, int], torch.Tensor],
    noise: torch.Tensor,
    sampler: DiffusionSampler,
    generator: torch.Generator,
) -> torch.Tensor:
    """Walk from noise to data in fifty steps, on the CPU, so that devices agree.

    Args:
        estimate: of v in x at a level, 0 to 49; float32, of x's shape (n, c, ...).
        noise: x at level 49.
        sampler: ``ddpm`` (Ho et al., NeurIPS 2020) adds noise at every step but the last, ``ddim`` (Song et al.,
            ICLR 2021) adds none.
        generator: of that noise; of the CPU.

    Returns:
        x without noise, of ``noise``'s shape.
    """
    kind = DDPMScheduler if sampler == "ddpm" else DDIMScheduler
    scheduler = kind(**_SCHEDULE, clip_sample=False, prediction_type="v_prediction")  # type: ignore[arg-type]
    x = noise
    for level in reversed(range(LEVELS)):
        x = scheduler.step(estimate(x, level), level, x, generator=generator)[0]
    return x
