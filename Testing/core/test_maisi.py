"""MAISI's VAE weights load as a PetVAE that computes what MAISI's own network computes."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from TumorGenCore.errors import ModelBundleError
from TumorGenCore.networks.maisi import MAISI_ARGUMENTS, load_maisi_vae
from TumorGenCore.networks.mask_refiner import MaskRefiner
from TumorGenCore.networks.vae import PetVAE
from TumorGenCore.training.autoencoder import load_autoencoder, vae_arguments

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi

SMALL = {**MAISI_ARGUMENTS, "channels": [8, 16, 24], "norm_num_groups": 4}


def maisi(channels: list[int], norm_num_groups: int) -> AutoencoderKlMaisi:
    return AutoencoderKlMaisi(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        num_res_blocks=(2, 2, 2),
        num_channels=channels,
        attention_levels=(False, False, False),
        latent_channels=4,
        norm_num_groups=norm_num_groups,
        use_convtranspose=False,
        num_splits=1,
        save_mem=False,
    ).eval()


@pytest.fixture(scope="module")
def theirs() -> AutoencoderKlMaisi:
    torch.manual_seed(0)
    network = maisi(SMALL["channels"], SMALL["norm_num_groups"])
    for parameter in network.parameters():  # Norms start as ones and zeros, which would hide a wrong name.
        parameter.data += 0.05 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize(
    "name", ["autoencoder_epoch273.pt", "autoencoder_v2.safetensors", "autoencoder_nested.pt", "autoencoder_half.pt"]
)
def test_loaded_weights_compute_what_maisi_computes(theirs, tmp_path, name):
    state = theirs.state_dict()
    if name.endswith(".safetensors"):
        save_file(state, tmp_path / name)
    elif "half" in name:
        torch.save({key: value.half() for key, value in state.items()}, tmp_path / name)
        for parameter in theirs.parameters():
            parameter.data = parameter.data.half().float()
    else:
        torch.save({"unet_state_dict": state, "epoch": 3} if "nested" in name else state, tmp_path / name)
    ours = load_maisi_vae(tmp_path, SMALL)
    x = torch.rand(2, 1, 16, 8, 12)
    with torch.inference_mode():
        mean, deviation = theirs.encode(x)
        z = torch.randn_like(mean)
        assert torch.allclose(ours.posterior(x)[0], mean, atol=1e-5)
        assert torch.allclose(ours.posterior(x)[1], deviation, atol=1e-5)
        assert torch.allclose(ours.decode(z), theirs.decode(z), atol=1e-5)


def test_public_network_has_the_names_and_shapes_of_ours(tmp_path):
    with torch.device("meta"):
        state = maisi([64, 128, 256], 32).state_dict()
    zeros = {key: torch.zeros(value.shape, dtype=torch.float16) for key, value in state.items()}
    save_file(zeros, tmp_path / "autoencoder.safetensors")
    network = load_maisi_vae(tmp_path / "autoencoder.safetensors")
    assert network.factor == 4
    assert len(state) == len(network.autoencoder.state_dict()) == 130


def spoil(state: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    state = dict(state)
    if how == "missing":
        del state["decoder.blocks.1.conv1.conv.conv.weight"]
    elif how == "unknown":
        state["encoder.blocks.40.bias"] = torch.zeros(3)
    else:
        state["encoder.blocks.0.conv.conv.weight"] = torch.zeros(8, 2, 3, 3, 3)
    return state


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("missing", "decoder.blocks.1.conv1.conv.weight is missing"),
        ("unknown", "encoder.blocks.40.bias is not known"),
        ("shape", r"encoder.blocks.0.conv.weight has shape \(8, 2, 3, 3, 3\) instead of \(8, 1, 3, 3, 3\)"),
    ],
)
def test_weights_that_do_not_fit_are_named(theirs, tmp_path, how, named):
    torch.save(spoil(theirs.state_dict(), how), tmp_path / "autoencoder.pt")
    with pytest.raises(ModelBundleError, match=named):
        load_maisi_vae(tmp_path, SMALL)


def test_only_the_first_names_that_do_not_fit_are_given(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "autoencoder.pt")
    with pytest.raises(ModelBundleError, match=r"more\. ") as caught:
        load_maisi_vae(tmp_path)
    assert len(str(caught.value)) < 600


class Code:
    """Unpickling it would run a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_code_in_a_weights_file_is_not_run(tmp_path):
    torch.save({"weight": Code(tmp_path / "ran")}, tmp_path / "autoencoder.pt")
    with pytest.raises(ModelBundleError, match="cannot be read"):
        load_maisi_vae(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["autoencoder.pt", "autoencoder.safetensors"])
def test_damaged_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"not weights")
    with pytest.raises(ModelBundleError, match=name):
        load_maisi_vae(tmp_path)


def test_files_that_hold_something_else_are_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "autoencoder.pt")
    with pytest.raises(ModelBundleError, match="no table of weights"):
        load_maisi_vae(tmp_path)


def test_a_folder_without_or_with_two_weights_files_is_refused(tmp_path):
    with pytest.raises(ModelBundleError, match="there are: none"):
        load_maisi_vae(tmp_path)
    (tmp_path / "autoencoder_v1.pt").touch()
    (tmp_path / "autoencoder_v2.pt").touch()
    with pytest.raises(ModelBundleError, match=r"autoencoder_v1\.pt, autoencoder_v2\.pt"):
        load_maisi_vae(tmp_path)


def test_refiner_taps_of_three_levels_rise_in_resolution():
    network = PetVAE(**SMALL).eval()
    channels, scales = network.feature_layout()
    assert (channels, scales) == ([24, 16, 8], [1, 2, 4])
    refiner = MaskRefiner(channels, scales, channels=8, norm_num_groups=4, factor=network.factor)
    with torch.inference_mode():
        image, features = network.decode_with_features(torch.zeros(1, 4, 4, 2, 3))
        assert refiner(torch.zeros(1, 1, 4, 2, 3), features).shape == image.shape == (1, 1, 16, 8, 12)


def test_refiner_taps_of_two_levels_are_those_the_bundles_were_trained_with():
    network = PetVAE()
    blocks = network.autoencoder.decoder.blocks
    assert network._feature_taps() == [0, 2, len(blocks) - 3]
    assert network.feature_layout() == ([48, 48, 24], [1, 1, 2])


def test_a_folder_with_maisi_weights_stands_in_for_a_trained_autoencoder(tmp_path):
    network = maisi([64, 128, 256], 32)
    torch.save(network.state_dict(), tmp_path / "autoencoder_epoch273.pt")
    loaded, run = load_autoencoder(tmp_path)
    assert vae_arguments(run) == MAISI_ARGUMENTS
    assert float(run.scale.to_network(torch.zeros(1))) == 0.0
    x = torch.rand(1, 1, 8, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.encode(x), network.encode(x)[0], atol=1e-5, rtol=1e-5)
