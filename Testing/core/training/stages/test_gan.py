"""The GAN of whole patches: sizes, and which part each loss trains."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.training.stages.gan import HierarchicalGan

GENERATOR = {"trunk", "whole_head", "part_head"}
ENCODERS = {"whole_encoder", "part_encoder"}
CRITICS = {"whole_critic", "part_critic"}


@pytest.fixture
def gan() -> HierarchicalGan:
    torch.manual_seed(0)
    return HierarchicalGan(channels=8, norm_num_groups=2)


def trained_by(gan: HierarchicalGan, loss: torch.Tensor) -> set[str]:
    """Names of the parts that get a gradient from a loss."""
    gan.zero_grad(set_to_none=True)
    loss.backward(retain_graph=True)
    moved = {name: p.grad for name, p in gan.named_parameters() if p.grad is not None and bool(p.grad.any())}
    return {name.split(".")[0] for name in moved}


def test_each_loss_trains_its_own_parts(gan) -> None:
    real = torch.rand(2, 2, 16, 16, 16) * 2 - 1
    losses = gan(real, torch.randn(2, 128), (0, 2, 1))
    assert trained_by(gan, losses["critic"]) == CRITICS
    assert trained_by(gan, losses["generator"]) == GENERATOR
    assert trained_by(gan, losses["reconstruction"]) == GENERATOR | ENCODERS


@pytest.mark.parametrize("edge", [16, 24, 40])
@torch.inference_mode()
def test_one_network_makes_and_encodes_patches_of_any_size(gan, edge) -> None:
    z = torch.randn(2, 128)
    made = gan.make(z, edge)
    assert made.shape == (2, 2, edge, edge, edge)
    assert made.abs().max() <= 1
    assert gan.encode(made).shape == z.shape
    assert not torch.allclose(made[0], made[1])


@torch.inference_mode()
def test_the_reconstruction_error_counts_the_sub_volume_of_this_step(gan) -> None:
    """Only the content of one corner differs from what the network makes."""
    z = torch.randn(1, 128)
    real = torch.zeros(1, 2, 16, 16, 16)
    far = real.clone()
    far[..., 8:] = 1
    here, there = (gan(far, z, corner)["reconstruction"] for corner in ((0, 0, 0), (0, 0, 2)))
    assert float(there) > 1.2 * float(here)
