"""Input and output of the networks agree with the method, for patches that are not cubes."""

from __future__ import annotations

import pytest
import torch

from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.vae import PetVAE, fold, unfold
from TumorGenCore.method.vector_field import VectorField

LATENT = (4, 8, 12)
PATCH = (16, 32, 48)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def vae() -> PetVAE:
    torch.manual_seed(0)
    return PetVAE(channels=(8, 16), num_res_blocks=(1, 2), norm_num_groups=4).eval()


@pytest.fixture(scope="module")
def field() -> VectorField:
    torch.manual_seed(0)
    field = VectorField(channels=(8, 16, 16), num_head_channels=8).eval()
    with torch.no_grad():  # MONAI starts the last layer at zero.
        for parameter in field.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return field


@pytest.mark.parametrize("edge", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_unfold_undoes_fold(edge: int, channels: int) -> None:
    x = noise(0, 2, channels, 4, 8, 12)
    folded = fold(x, edge)
    assert folded.shape == (2, channels * edge**3, 4 // edge, 8 // edge, 12 // edge)
    assert torch.equal(unfold(folded, edge), x)


def test_fold_gathers_the_voxels_of_one_block() -> None:
    x = torch.arange(4 * 6 * 8.0).reshape(1, 1, 4, 6, 8)
    block = x[0, 0, 2:4, 4:6, 6:8].flatten()
    assert torch.equal(fold(x, 2)[0, :, 1, 2, 3], block)


@torch.inference_mode()
def test_the_vae_makes_a_latent_of_a_quarter_and_a_patch_of_it(vae: PetVAE) -> None:
    x = noise(0, 2, 1, *PATCH)
    mean, deviation = vae.posterior(x)
    assert vae.factor == 4
    assert mean.shape == deviation.shape == (2, 4, *LATENT)
    assert torch.all(deviation > 0)
    assert torch.equal(vae.encode(x), mean)
    assert vae.decode(mean).shape == x.shape


@pytest.mark.parametrize(
    ("channels", "blocks", "space_to_depth", "factor"),
    [((8, 16), (1, 1), 2, 4), ((8, 8, 16), (1, 1, 1), 1, 4), ((8, 8, 16), (1, 1, 1), 2, 8), ((8, 16), (1, 1), 1, 2)],
)
@torch.inference_mode()
def test_the_factor_is_that_of_the_shapes(channels: tuple, blocks: tuple, space_to_depth: int, factor: int) -> None:
    vae = PetVAE(channels, blocks, latent_channels=3, norm_num_groups=4, space_to_depth=space_to_depth).eval()
    assert vae.factor == factor
    assert vae.encode(noise(0, 1, 1, 16, 16, 32)).shape == (1, 3, 16 // factor, 16 // factor, 32 // factor)


@torch.inference_mode()
def test_the_decoder_gives_features_of_three_layers_as_it_says(vae: PetVAE) -> None:
    z = noise(0, 1, 4, *LATENT)
    decoded, features = vae.decode_with_features(z)
    assert torch.equal(decoded, vae.decode(z))
    channels, scales = vae.feature_layout()
    assert len(features) == 3
    assert scales == [1, 1, 2]
    assert [tuple(f.shape) for f in features] == [
        (1, c, *(s * n for n in LATENT)) for c, s in zip(channels, scales, strict=True)
    ]
    assert not torch.equal(features[0], features[1])
    torch.testing.assert_close(decoded, unfold(vae.autoencoder.decode(z), 2))  # the way of MONAI


def test_the_vae_trains_on_a_posterior_sample(vae: PetVAE) -> None:
    x = noise(0, 1, 1, 16, 16, 16)
    reconstruction, mean, deviation = vae(x)
    assert reconstruction.shape == x.shape
    assert not torch.equal(vae(x)[0], reconstruction)
    (reconstruction.mean() + mean.mean() + deviation.mean()).backward()
    assert all(p.grad is not None for p in vae.parameters())
    vae.zero_grad(set_to_none=True)


@pytest.mark.parametrize("size", [LATENT, (4, 4, 4), (12, 8, 4)])
@torch.inference_mode()
def test_the_velocity_has_the_shape_of_latent_and_mask(field: VectorField, size: tuple[int, int, int]) -> None:
    x_t, z_m, box = noise(0, 2, 5, *size), noise(1, 2, 4, *size), torch.ones(2, 1, *size)
    assert field(x_t, z_m, box, torch.tensor([0.1, 0.9])).shape == x_t.shape


@torch.inference_mode()
def test_the_velocity_heeds_each_of_its_inputs(field: VectorField) -> None:
    inputs = [noise(0, 1, 5, *LATENT), noise(1, 1, 4, *LATENT), torch.zeros(1, 1, *LATENT), torch.tensor([0.3])]
    v = field(*inputs)
    assert torch.equal(v, field(*inputs))
    for n, other in enumerate((inputs[0] + 1, inputs[1] + 1, inputs[2] + 1, torch.tensor([0.31]))):
        changed = [*inputs[:n], other, *inputs[n + 1 :]]
        assert (field(*changed) - v).abs().max() > 1e-4


def _refiner(vae: PetVAE) -> MaskRefiner:
    torch.manual_seed(1)
    return MaskRefiner(*vae.feature_layout(), channels=8, factor=vae.factor).eval()


@torch.inference_mode()
def test_the_refined_mask_has_the_shape_of_the_patch_and_heeds_mask_and_features(vae: PetVAE) -> None:
    refiner = _refiner(vae)
    m, z = noise(0, 2, 1, *LATENT), noise(1, 2, 4, *LATENT)
    features = vae.decode_with_features(z)[1]
    logits = refiner(m, features)
    assert logits.shape == (2, 1, *PATCH)
    assert torch.equal(logits, refiner(m, features))
    assert not torch.equal(logits, refiner(-m, features))
    for n in range(3):
        changed = [*features[:n], -features[n], *features[n + 1 :]]
        assert not torch.equal(logits, refiner(m, changed))


def test_the_refiner_teaches_all_its_weights(vae: PetVAE) -> None:
    refiner = _refiner(vae)
    with torch.no_grad():
        features = vae.decode_with_features(noise(1, 1, 4, 4, 4, 4))[1]
    refiner(noise(0, 1, 1, 4, 4, 4), features).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in refiner.parameters())


@torch.inference_mode()
def test_the_vae_gives_the_same_twice(vae: PetVAE) -> None:
    x = noise(0, 1, 1, 16, 16, 32)
    assert torch.equal(vae.encode(x), vae.encode(x))
    z = vae.encode(x)
    assert torch.equal(vae.decode(z), vae.decode(z))
