"""Stand-ins for published systems: MONAI networks of their size with random weights, which cost what theirs cost.

Only the work of the networks is counted for them, beside our whole insertion, in turn with it; what they make is noise.
Sizes are those of the published configurations where these say them (DiffTumor: 16/32/64 channels, 8 latent channels,
24 cubed latents; MAISI: 64/128/256 and 64/128/256/512), and else chosen to come near the work counted in the published
code: DiffTumor 424 GFLOP with 4 steps and 1,042 with 50, FreeTumor 1,649. The report states the stand-ins' own counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from measuring import Row, Work, count_gflop, in_turn, precision_of, row_of
from monai.networks.nets import AutoencoderKL, BasicUNet, DiffusionModelUNet
from torch import nn

from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import channels_last
from TumorGenCore.method.solver_names import Solver

#: In float32 with PyTorch's own convolutions, as they run on a CPU; in our precision with our convolutions.
SECTIONS = {"float32": "peers, float32", "own": "peers, our precision"}

Made = tuple[list[nn.Module], Work]
#: Steps and solver.
Way = tuple[int, Solver]

#: The reference bundle's own way, and the quick one's.
OUR_WAYS: tuple[Way, ...] = ((10, "euler"), (4, "adams"))


@dataclass(frozen=True)
class Peer:
    """A published system.

    Args:
        make: its networks and their work for one tumor, on a device.
        patch: the size at which we are put beside it, a name in ``PATCHES``.
        must: how many times as fast we are to be.
    """

    make: Callable[[torch.device], Made]
    patch: str
    must: float


def beside(name: str, way: Way) -> str:
    """Name of our own line beside a peer's."""
    steps, solver = way
    return f"TumorGen, {steps} {solver.capitalize()} steps, in turn with {name}"


def peer_rows(
    names: list[str],
    ours: Mapping[tuple[str, Way], Work],
    device: torch.device,
    repeats: int,
    best: Mapping[str, float],
) -> Iterator[Row]:
    """Our lines and the peer's, for each peer and precision.

    Args:
        names: in ``PEERS``.
        ours: our insertion by the name of its patch's size and its way.
        device: of both.
        repeats: see ``in_turn``.
        best: the machine's best convolution in each precision, GFLOP/s.
    """
    for name in names:
        peer = PEERS[name]
        torch.manual_seed(0)
        with torch.inference_mode():
            gflop = count_gflop(peer.make(torch.device("meta"))[1])
            networks, work = peer.make(device)
            for precision, section in SECTIONS.items():
                if precision == "own":
                    for network in networks:
                        channels_last(use_onednn(network))
                works = {beside(name, way): ours[peer.patch, way] for way in OUR_WAYS}
                times = in_turn({**works, name: partial(_in_precision, device, precision, work)}, repeats)
                for line in works:
                    yield row_of(section, line, times[line])
                yield row_of(section, name, times[name], gflop, best[precision])


def _in_precision(device: torch.device, precision: str, work: Work) -> None:
    with precision_of(device, precision):
        work()


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


def _difftumor(steps: int, device: torch.device) -> Made:
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


def _freetumor(device: torch.device) -> Made:
    network = BasicUNet(3, in_channels=2, out_channels=1, features=(80, 80, 160, 320, 640, 80)).eval().to(device)
    patch = torch.randn(1, 2, 96, 96, 96, device=device)
    return [network], lambda: network(patch)


def _maisi(steps: int, device: torch.device) -> Made:
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


PEERS = {
    "DiffTumor's size, 96x96x96, 4 steps": Peer(partial(_difftumor, 4), "96x96x96", must=8),
    "DiffTumor's size, 96x96x96, 50 steps": Peer(partial(_difftumor, 50), "96x96x96", must=30),
    "FreeTumor's size, 96x96x96, one pass": Peer(_freetumor, "96x96x96", must=12),
    "MAISI's size, 128x128x64, 10 steps": Peer(partial(_maisi, 10), "128x128x64", must=40),
}
#: The cheapest.
QUICK_PEERS = ["DiffTumor's size, 96x96x96, 4 steps"]
