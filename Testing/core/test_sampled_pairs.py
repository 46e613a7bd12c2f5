"""Masks of grown tumours: where the uptake falls, whatever the latent mask says a few millimetres away."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from TumorGenCore.training.sampled_pairs import SampledPairs, mask_of_uptake

EDGE, FACTOR = 32, 4
EVERYWHERE = np.ones((EDGE,) * 3, dtype=bool)


def ball(center: float, radius: float) -> np.ndarray:
    k, j, i = np.indices((EDGE,) * 3)
    return (k - 15.5) ** 2 + (j - 15.5) ** 2 + (i - center) ** 2 <= radius**2


def test_the_border_lies_where_the_uptake_falls_and_not_where_the_latent_mask_ends() -> None:
    tumour = ball(15.5, 7)
    suv = np.where(tumour, 8.0, 1.0).astype(np.float32)
    for latent in (ball(14, 7), ball(15.5, 9), ball(15.5, 6)):
        assert np.array_equal(mask_of_uptake(suv, latent.astype(np.float32), EVERYWHERE, 2, 0.41), tumour)


def test_uptake_beyond_its_reach_or_beyond_the_box_is_not_the_tumours() -> None:
    suv = np.where(ball(15.5, 12), 8.0, 1.0).astype(np.float32)
    latent = ball(15.5, 6).astype(np.float32)
    near = mask_of_uptake(suv, latent, EVERYWHERE, 2, 0.41)
    assert near.sum() < 0.5 * ball(15.5, 12).sum()
    half = np.zeros_like(EVERYWHERE)
    half[..., 16:] = True
    assert not mask_of_uptake(suv, latent, half, 2, 0.41)[..., :16].any()
    assert not mask_of_uptake(suv, np.zeros_like(latent), EVERYWHERE, 2, 0.41).any()


@pytest.mark.parametrize("shift", [0, 1])
def test_pairs_are_grown_by_the_field_in_the_box_and_marked_by_their_uptake(shift: int) -> None:
    """The field knows the way to a block of uptake, with a latent mask ``shift`` cells beside it."""
    cells = EDGE // FACTOR
    block = torch.zeros(1, 1, cells, cells, cells)
    block[..., 3:5, 3:5, 3:5] = 1
    target = torch.cat([block * 8 + 1, torch.roll(block, shift, -1) * 2 - 1], dim=1)
    box = torch.zeros_like(block)
    box[..., 1:7, 1:7, 1:7] = 1
    batch = {"x_1": torch.ones(1, 2, *block.shape[2:]), "z_m": block, "box": box, "controls": torch.zeros(1, 2)}

    def field(x: torch.Tensor, z_m: torch.Tensor, b: torch.Tensor, t: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return (target - x) / (1 - t).clamp_min(1e-3).reshape(-1, 1, 1, 1, 1)

    def decode(z: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(z, scale_factor=float(FACTOR))

    pairs = SampledPairs.grow([batch, batch], field, decode, 2 + 4 * shift, 0.41, torch.Generator().manual_seed(0))
    found = pairs.batch(np.random.default_rng(0), 3)
    assert len(pairs.x) == 2
    assert found["x"].shape == (3, 2, cells, cells, cells)
    assert torch.allclose(found["x"][0], target[0], atol=0.01)
    uptake = torch.nn.functional.interpolate(block, scale_factor=float(FACTOR))
    # Dilation does not reach into all corners of the block.
    assert bool((found["mask"][:1] <= uptake).all())
    assert float(found["mask"][0].sum()) > 0.8 * float(uptake.sum())
