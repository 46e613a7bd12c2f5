"""Denoising diffusion of the rivals: fifty noise levels in training and in sampling.

MONAI's ``DDPMScheduler`` always moves by one level per step, even if it is set to take fewer steps than there are
levels. With a thousand levels, fifty steps would leave most of the noise. So the number of levels equals the number of
steps.

The networks estimate v = sqrt(a) noise - sqrt(1 - a) data (Salimans and Ho, ICLR 2022). An error in an estimate of the
noise alone grows a hundredfold at the noisiest levels, which is too much for a short training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

__all__ = ["LEVELS", "DiffusionSampler", "add_noise", "denoise", "diffusion_velocity"]

LEVELS = 50
DiffusionSampler = Literal["ddpm", "ddim"]
#: The square roots of the variances rise linearly, as in latent diffusion; the last level keeps 0.01 % of the signal.
_SCHEDULE = {"num_train_timesteps": LEVELS, "schedule": "scaled_linear_beta", "beta_start": 0.002, "beta_end": 0.44}


def add_noise(data: torch.Tensor, noise: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Returns sqrt(a) data + sqrt(1 - a) noise, any shape (n, ...); ``level`` is (n,), 0 to 49, 49 is noisiest."""
    noisy: torch.Tensor = DDPMScheduler(**_SCHEDULE).add_noise(data, noise, level)  # type: ignore[arg-type]
    return noisy


def diffusion_velocity(data: torch.Tensor, noise: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
    """Returns the velocity v that a network learns, for data and noise of any shape (n, ...), at levels (n,)."""
    velocity: torch.Tensor = DDPMScheduler(**_SCHEDULE).get_velocity(data, noise, level)  # type: ignore[arg-type]
    return velocity


def denoise(
    estimate: Callable[[torch.Tensor, int], torch.Tensor],
    noise: torch.Tensor,
    sampler: DiffusionSampler,
    generator: torch.Generator,
) -> torch.Tensor:
    """Turns noise into data in fifty steps, on the CPU, so that devices agree.

    Args:
        estimate: estimates v from x and a level, 0 to 49; float32, with the shape (n, c, ...) of x.
        noise: x at level 49.
        sampler: ``ddpm`` (Ho et al., NeurIPS 2020) adds noise at every step but the last, ``ddim`` (Song et al.,
            ICLR 2021) adds none.
        generator: random generator of that noise, on the CPU.

    Returns:
        x without noise, same shape as ``noise``.
    """
    kind = DDPMScheduler if sampler == "ddpm" else DDIMScheduler
    scheduler = kind(**_SCHEDULE, clip_sample=False, prediction_type="v_prediction")  # type: ignore[arg-type]
    x = noise
    for level in reversed(range(LEVELS)):
        x = scheduler.step(estimate(x, level), level, x, generator=generator)[0]
    return x
