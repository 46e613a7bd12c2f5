"""The rivals' diffusion against Gaussian data, for which the noise in x is known in closed form."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.training.diffusion import LEVELS, add_noise, denoise

MEAN, DEVIATION = 1.5, 0.6


def signal_share(level: int) -> float:
    """a of a level, from what is left of a constant."""
    ones = torch.ones(1, dtype=torch.float64)
    return float(add_noise(ones, torch.zeros_like(ones), torch.tensor([level])) ** 2)


def true_noise(x: torch.Tensor, level: int) -> torch.Tensor:
    """E[noise | x] for data ~ N(MEAN, DEVIATION^2)."""
    a = signal_share(level)
    return (1 - a) ** 0.5 * (x - a**0.5 * MEAN) / (a * DEVIATION**2 + 1 - a)


def test_the_first_level_is_nearly_data_and_the_last_nearly_noise() -> None:
    assert signal_share(0) > 0.99
    assert signal_share(LEVELS - 1) < 1e-3
    shares = [signal_share(level) for level in range(LEVELS)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_both_samplers_reach_the_distribution_of_the_data(sampler) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    made = denoise(true_noise, noise, sampler, generator)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.03)
    # Fifty steps of DDPM with the posterior's variance make the spread 6 % too small; more steps would not.
    assert float(made.std()) == pytest.approx(DEVIATION, rel=0.08)


def test_ddim_adds_no_noise_and_ddpm_does() -> None:
    noise = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    runs = {
        sampler: [denoise(true_noise, noise, sampler, torch.Generator().manual_seed(n)) for n in range(2)]
        for sampler in ("ddpm", "ddim")
    }
    assert torch.equal(*runs["ddim"])
    assert not torch.allclose(*runs["ddpm"], atol=0.01)
    # Without noise, the order of what it starts from is kept.
    assert (runs["ddim"][0][:, 0].diff() > 0).all()
