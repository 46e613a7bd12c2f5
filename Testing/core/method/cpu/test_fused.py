"""Fused blocks have the numbers and names of the plain ones, with fewer calls."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from TumorGenCore.method.cpu.fused import KEPT_TIMES, TimedResBlock, TimeEmbedding, use_fused
from TumorGenCore.method.devices import computes_bfloat16
from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField

needs_bfloat16 = pytest.mark.skipif(
    not computes_bfloat16(torch.device("cpu")), reason="this processor does not compute bfloat16"
)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shaken(network: nn.Module) -> nn.Module:
    """MONAI starts last layers at zero, which would hide the effect of the layers before them."""
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.add_(0.1 * noise(number, *parameter.shape))
    return network.eval()


class Whole(nn.Module):
    """All three networks on one latent, with a batch of one or more."""

    def __init__(self, use_convtranspose: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.vae = PetVAE((16, 32), (1, 2), norm_num_groups=4, use_convtranspose=use_convtranspose)
        self.field = VectorField(channels=(16, 32, 32), num_head_channels=8)
        self.refiner = MaskRefiner(*self.vae.feature_layout(), channels=8)
        shaken(self)

    def forward(self, patch: torch.Tensor, t: torch.Tensor) -> list[torch.Tensor]:
        z = self.vae.encode(patch)
        mask, box = z[:, :1].clamp(-1, 1), torch.ones_like(z[:, :1])
        velocity = self.field(torch.cat([z, mask], 1), z, box, t)
        decoded, features = self.vae.decode_with_features(z)
        return [z, velocity, decoded, self.refiner(mask, features)]


@pytest.fixture(scope="module", params=[True, False], ids=["convtranspose", "trilinear"])
def networks(request: pytest.FixtureRequest) -> tuple[Whole, Whole]:
    plain = Whole(request.param)
    return plain, use_fused(copy.deepcopy(plain))


@pytest.mark.parametrize("edges", [(16, 32, 48), (48, 48, 48)])
@pytest.mark.parametrize("batch", [1, 2])
@torch.inference_mode()
def test_float32_results_are_those_of_the_plain_blocks(networks: tuple[Whole, Whole], batch: int, edges: tuple) -> None:
    plain, fused = networks
    for times in ([0.3], [0.7], [0.3]) if batch == 1 else ([0.3], [0.3, 0.8]):
        patch, t = noise(1, batch, 1, *edges), torch.tensor(times)
        for ours, theirs in zip(fused(patch, t), plain(patch, t), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max().item())


@needs_bfloat16
@pytest.mark.parametrize("edges", [(16, 32, 48), (48, 48, 48)])
@torch.inference_mode()
def test_bfloat16_is_as_near_to_float32_as_with_the_plain_blocks(networks: tuple[Whole, Whole], edges: tuple) -> None:
    plain, fused = networks
    patch, t = noise(1, 1, 1, *edges), torch.tensor([0.3])
    exact = plain(patch, t)
    with torch.autocast("cpu", torch.bfloat16):
        made = [fused(patch, t), plain(patch, t)]
    for which, true in enumerate(exact):
        ours, theirs = ((m[which].float() - true).square().mean().sqrt() / true.std() for m in made)
        assert ours < max(1.4 * theirs, 0.01)


def test_names_and_gradients_are_those_of_the_plain_blocks(networks: tuple[Whole, Whole]) -> None:
    plain, fused = networks
    assert list(fused.state_dict()) == list(plain.state_dict())
    patch, t = noise(1, 1, 1, 16, 16, 16), torch.tensor([0.3])
    for network in networks:
        network.zero_grad()
        sum(made.square().mean() for made in network(patch, t)).backward()
    for (name, ours), theirs in zip(fused.named_parameters(), plain.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)  # the standard deviation of the posterior is not used
        if theirs.grad is not None:
            assert (ours.grad - theirs.grad).norm() <= 1e-2 * theirs.grad.norm() + 1e-6, name


def test_what_is_kept_follows_the_weights_and_a_copy_keeps_nothing_of_its_model(networks: tuple[Whole, Whole]) -> None:
    plain, fused = (copy.deepcopy(network) for network in networks)
    patch, t = noise(1, 1, 1, 16, 16, 16), torch.tensor([0.3])
    with torch.inference_mode():
        fused(patch, t)  # keeps packed weights and the time embedding
    other = {name: value + 0.05 * noise(9, *value.shape) for name, value in plain.state_dict().items()}
    plain.load_state_dict(other)
    moved = copy.deepcopy(fused)
    for network in (fused, moved):
        network.load_state_dict(other)
        with torch.inference_mode():
            for ours, theirs in zip(network(patch, t), plain(patch, t), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4 * theirs.abs().max().item())


@torch.inference_mode()
def test_many_times_do_not_pile_up() -> None:
    field = use_fused(shaken(VectorField(channels=(8, 16), attention_levels=(False, True), num_head_channels=8)))
    x, z, box = noise(1, 1, 5, 4, 4, 4), noise(2, 1, 4, 4, 4, 4), torch.ones(1, 1, 4, 4, 4)
    for step in range(300):
        field(x, z, box, torch.tensor([step / 300]))
    embedding, block = field.unet.time_embed, field.unet.middle_block.resnet_1
    assert isinstance(embedding, TimeEmbedding) and isinstance(block, TimedResBlock)
    assert 0 < embedding.kept_times() <= KEPT_TIMES == 256
    assert 0 < block.kept_times() <= embedding.kept_times() + 1


@torch.inference_mode()
def test_an_input_is_never_overwritten(networks: tuple[Whole, Whole]) -> None:
    patch, t = noise(1, 1, 1, 16, 16, 16), torch.tensor([0.3])
    before = patch.clone()
    first = networks[1](patch, t)
    kept = [made.clone() for made in first]
    networks[1](patch, t)
    assert torch.equal(patch, before)
    assert all(torch.equal(made, was) for made, was in zip(first, kept, strict=True))
