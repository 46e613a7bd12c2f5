"""Cached latents: occupancy of latent cells, and reuse of a cache."""

from __future__ import annotations

import pytest
import torch
from training_runs import AUTOENCODER, config

from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.config import AutoencoderRun, read_config
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.latent_encoder import LatentEncoder
from TumorGenCore.training.data.latents import LatentCache, occupancy


def test_soft_occupancy_keeps_what_nearest_neighbor_loses():
    mask = torch.zeros(1, 1, 8, 8, 8)
    mask[0, 0, 1, 1, 1] = 1
    assert occupancy(mask, 4)[0, 0, 0, 0, 0] == pytest.approx(2 / 64 - 1)
    assert occupancy(torch.ones(1, 1, 8, 8, 8), 4).unique().tolist() == [1.0]


def test_cache_is_read_again_for_the_same_networks_and_made_anew_for_others(tiny_cases, tmp_path):
    run = read_config(AutoencoderRun, config(tmp_path, AUTOENCODER))
    maker = ExampleMaker(load_cases(tiny_cases), run.patch, run.offsets, run.examples, 0)
    torch.manual_seed(0)
    first, second = (PetVAE((8, 8), (1, 1), norm_num_groups=4).eval() for _ in range(2))

    def build(vae: PetVAE) -> LatentCache:
        encoder = LatentEncoder(vae, run.scale)
        return LatentCache.build(tmp_path / "cache.safetensors", encoder, maker, 16, 2, quiet=True)

    made = build(first)
    written = (tmp_path / "cache.safetensors").stat().st_mtime_ns
    again = build(first)
    assert (tmp_path / "cache.safetensors").stat().st_mtime_ns == written
    assert torch.equal(again.z_1, made.z_1) and torch.equal(again.mask, made.mask)
    other = build(second)
    assert not torch.equal(other.z_1, made.z_1)
    assert torch.equal(other.mask, made.mask)
