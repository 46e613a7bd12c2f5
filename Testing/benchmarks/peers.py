"""Stand-ins for published systems: MONAI networks of their size with random weights, which cost what theirs cost.

Only the work of the networks is compared, in the same run as our own; what they make is noise. Sizes are those of the
published configurations where these say them (DiffTumor: 16/32/64 channels, 8 latent channels, 24 cubed latents; MAISI:
64/128/256 and 64/128/256/512), and else chosen to come near the work counted in the published code: DiffTumor 424 GFLOP
with 4 steps and 1,042 with 50, FreeTumor 1,649. The report states the stand-ins' own counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from measuring import Row, count_gflop, measure, precision_of
from monai.networks.nets import AutoencoderKL, BasicUNet, DiffusionModelUNet
from torch import nn

from TumorGenCore.devices import channels_last
from TumorGenCore.networks.onednn import use_onednn


def peer_rows(device: torch.device, repeats: int, best: dict[str, float], quick: bool) -> Iterator[Row]:
    """Each stand-in in float32, as they run on a CPU, and in our precision with our convolutions."""
    for name, make in PEERS.items():
        if quick and name not in QUICK_PEERS:
            continue
        torch.manual_seed(0)
        with torch.inference_mode():
            networks, work = make(device)
            gflop = count_gflop(work)
            yield measure("peers, float32", name, work, repeats, gflop, best["float32"])
            for network in networks:
                channels_last(use_onednn(network))
            with precision_of(device, "own"):
                yield measure("peers, our precision", name, work, repeats, gflop, best["own"])


Peer = tuple[list[nn.Module], Callable[[], object]]


def _autoencoder(device: torch.device, channels: tuple[int, ...], latent_channels: int, groups: int) -> AutoencoderKL:
    network = AutoencoderKL(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        num_res_blocks=(2,) * len(channels),
        channels=channels,
        attention_levels=(False,) * len(channels),
        latent_channels=latent_channels,
        norm_num_groups=groups,
        with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False,
    )
    return network.eval().to(device)


def _difftumor(device: torch.device, steps: int) -> Peer:
    autoencoder = _autoencoder(device, (16, 32, 64), latent_channels=8, groups=8)
    unet = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=17,
        out_channels=8,
        channels=(24, 48, 96, 192),
        num_res_blocks=2,
        attention_levels=(False, False, False, True),
        num_head_channels=24,
        norm_num_groups=8,
    )
    unet = unet.eval().to(device)
    patch, x = torch.randn(1, 1, 96, 96, 96, device=device), torch.randn(1, 17, 24, 24, 24, device=device)
    t = torch.zeros(1, device=device)

    def work() -> torch.Tensor:
        for _ in range(2):
            autoencoder.encode(patch)
        for _ in range(steps):
            z = unet(x, t)
        return autoencoder.decode(z)

    return [autoencoder, unet], work


def _freetumor(device: torch.device) -> Peer:
    network = BasicUNet(3, in_channels=2, out_channels=1, features=(80, 80, 160, 320, 640, 80)).eval().to(device)
    patch = torch.randn(1, 2, 96, 96, 96, device=device)
    return [network], lambda: network(patch)


def _maisi(device: torch.device, steps: int = 10) -> Peer:
    autoencoder = _autoencoder(device, (64, 128, 256), latent_channels=4, groups=32)
    unet = DiffusionModelUNet(
        spatial_dims=3,
        in_channels=4,
        out_channels=4,
        channels=(64, 128, 256, 512),
        num_res_blocks=2,
        attention_levels=(False, False, True, True),
        num_head_channels=(0, 0, 32, 32),
        norm_num_groups=32,
        resblock_updown=True,
    )
    unet = unet.eval().to(device)
    x, t = torch.randn(1, 4, 16, 32, 32, device=device), torch.zeros(1, device=device)

    def work() -> torch.Tensor:
        for _ in range(steps):
            z = unet(x, t)
        return autoencoder.decode(z)

    return [autoencoder, unet], work


PEERS: dict[str, Callable[[torch.device], Peer]] = {
    "DiffTumor's size, 96x96x96, 4 steps": lambda device: _difftumor(device, 4),
    "DiffTumor's size, 96x96x96, 50 steps": lambda device: _difftumor(device, 50),
    "FreeTumor's size, 96x96x96, one pass": _freetumor,
    "MAISI's size, 128x128x64, 10 steps": _maisi,
}
QUICK_PEERS = ("DiffTumor's size, 96x96x96, 4 steps",)
