"""Sharpening restores what patch and VAE blur, and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.bundle.resolution import ResolutionRecovery


def _ball(radius: float, edge: int = 25) -> NDArray[np.float64]:
    offsets = np.indices((edge,) * 3) - edge // 2
    return np.clip(radius + 0.5 - np.sqrt((offsets**2).sum(axis=0)), 0, 1)


def test_a_blurred_ball_comes_nearer_to_what_it_was() -> None:
    tissue = np.ones((25, 25, 25))
    sharp = tissue + 9 * _ball(4)
    blurred = tissue + ndimage.gaussian_filter(9 * _ball(4), 1.2)
    restored = ResolutionRecovery(1.0, 1.2).restored(blurred, tissue)
    assert blurred.max() < 9.9 < restored.max()
    assert np.abs(restored - sharp).mean() < 0.75 * np.abs(blurred - sharp).mean()


def test_one_step_of_van_cittert_on_a_wave_is_the_closed_form() -> None:
    """A Gaussian multiplies a wave by exp(-(k sigma)^2 / 2)."""
    k, sigma, amount = 2 * np.pi / 12, 1.2, 0.7
    x = np.arange(96)
    wave = np.broadcast_to(np.sin(k * x), (4, 4, 96))
    # Far from the ends, where the axis continues evenly.
    shown = ResolutionRecovery(amount, sigma).detail(wave)[:, :, 24:72]
    np.testing.assert_allclose(shown, (1 - np.exp(-((k * sigma) ** 2) / 2)) * wave[:, :, 24:72], atol=0.01)


def test_no_dark_ring_is_drawn_and_the_tissue_keeps_its_texture() -> None:
    tissue = 1 + 0.2 * np.random.default_rng(0).random((25, 25, 25))
    grown = tissue + ndimage.gaussian_filter(9 * _ball(4), 1.2)
    restored = ResolutionRecovery(1.5, 1.2).restored(grown, tissue)
    assert (restored >= tissue - 1e-6).all()
    far = _ball(10) == 0
    np.testing.assert_allclose(restored[far], tissue[far], atol=1e-5)


def test_a_fall_stays_as_it_is() -> None:
    tissue = np.full((25, 25, 25), 3.0)
    hole = tissue - ndimage.gaussian_filter(2.9 * _ball(4), 1.2)
    np.testing.assert_allclose(ResolutionRecovery(1.5, 1.2).restored(hole, tissue), hole, rtol=1e-6)


def test_no_amount_changes_nothing() -> None:
    suv = _ball(4).astype(np.float32)
    assert ResolutionRecovery().restored(suv, np.zeros_like(suv)) is suv


def test_what_is_written_is_read_again() -> None:
    recovery = ResolutionRecovery(0.7, 1.5)
    assert ResolutionRecovery.parse(recovery.as_dict()) == recovery
    assert ResolutionRecovery.parse({}) == ResolutionRecovery()


@pytest.mark.parametrize("values", [{"amount": -0.1}, {"amount": float("nan")}, {"sigma": 0}, {"sigma": "wide"}])
def test_nonsense_is_refused(values: dict) -> None:
    with pytest.raises(ValueError):
        ResolutionRecovery.parse(values)


def test_an_unknown_entry_is_refused() -> None:
    with pytest.raises(TypeError):
        ResolutionRecovery.parse({"sharpness": 1})
