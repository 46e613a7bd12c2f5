"""The rivals' diffusion on Gaussian data, whose best estimate is known in closed form."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.training.stages.diffusion import LEVELS, add_noise, denoise, diffusion_velocity

MEAN, DEVIATION = 1.5, 0.6


def signal_share(level: int) -> float:
    """a of a level, from the remaining signal of a constant."""
    ones = torch.ones(1, dtype=torch.float64)
    return float(add_noise(ones, torch.zeros_like(ones), torch.tensor([level])) ** 2)


def best_estimate(x: torch.Tensor, level: int) -> torch.Tensor:
    """E[v | x] = sqrt(a) E[noise | x] - sqrt(1 - a) E[data | x] for data ~ N(MEAN, DEVIATION^2)."""
    a = signal_share(level)
    off = (x - a**0.5 * MEAN) / (a * DEVIATION**2 + 1 - a)
    noise, data = (1 - a) ** 0.5 * off, MEAN + a**0.5 * DEVIATION**2 * off
    return a**0.5 * noise - (1 - a) ** 0.5 * data


def test_the_first_level_is_nearly_data_and_the_last_nearly_noise() -> None:
    assert signal_share(0) > 0.99
    assert signal_share(LEVELS - 1) < 1e-3
    shares = [signal_share(level) for level in range(LEVELS)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
def test_both_samplers_reach_the_distribution_of_the_data(sampler) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    made = denoise(best_estimate, noise, sampler, generator)
    assert float(made.mean()) == pytest.approx(MEAN, abs=0.03)
    # Fifty steps of DDPM with the posterior's variance make the spread 6 % too small; more steps would correct this.
    assert float(made.std()) == pytest.approx(DEVIATION, rel=0.08)


def test_what_is_learned_leads_back_to_the_data() -> None:
    data, noise, level = torch.randn(3, 2, 4), torch.randn(3, 2, 4), torch.tensor([0, 20, LEVELS - 1])
    v = diffusion_velocity(data, noise, level)
    a = torch.tensor([signal_share(int(n)) for n in level]).float().reshape(3, 1, 1)
    assert torch.allclose(a**0.5 * add_noise(data, noise, level) - (1 - a) ** 0.5 * v, data, atol=1e-5)


def test_ddim_adds_no_noise_and_ddpm_does() -> None:
    noise = torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    runs = {
        sampler: [denoise(best_estimate, noise, sampler, torch.Generator().manual_seed(n)) for n in range(2)]
        for sampler in ("ddpm", "ddim")
    }
    assert torch.equal(*runs["ddim"])
    assert not torch.allclose(*runs["ddpm"], atol=0.01)
    # Without noise, the samples keep the order of their starting points.
    assert (runs["ddim"][0][:, 0].diff() > 0).all()
