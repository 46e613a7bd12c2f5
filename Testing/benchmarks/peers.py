"""MAISI beside TumorGen: seconds for a 128x128x64 patch on a CPU, measured in turn in one run.

MAISI's networks are MONAI's own code with random weights, in float32 with PyTorch's convolutions. Their configuration
is `configs/config_network_rflow.json` of NVIDIA-Medtech/NV-Generate-CTMR on GitHub (commit 450e8ea); for these two
networks it equals `generation/maisi/configs/config_maisi3d-rflow.json` of Project-MONAI/tutorials (commit 9f6d19f).
`configs/config_maisi_diff_model_rflow-ct.json` (commit 2cb90dd) sets 30 steps. Three settings serve graphics cards and
differ here: no flash attention, no float16 norms, and `num_splits` is 1 instead of 4, because splits save memory and
cost time (the authors' `docs/inference.md`).

MAISI does another job: it generates a whole volume and does not fill a box in a scan. A volume with a tumor also needs
its mask generator and its ControlNet; they do not count here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch
from insertions import PATCHES, STEPS, box_for, inserted, precisions
from measuring import Row, Work, count_gflop, in_turn, row_of
from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi
from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi

from TumorGenCore import Box, TumorGenerator
from TumorGenCore.volumes.volume import PetVolume

PATCH = "128x128x64"
SIZE = PATCHES[PATCH]
SECTION = f"{PATCH}, beside MAISI"
MAISI_STEPS = 30
MAISI = f"MAISI, {MAISI_STEPS} steps, float32"


def peer_rows(generator: TumorGenerator, volume: PetVolume, repeats: int, best: float) -> Iterator[Row]:
    """Lines of TumorGen in each precision and of MAISI.

    Args:
        generator: on the CPU.
        volume: the scan for TumorGen's insertion.
        repeats: rounds, see ``in_turn``.
        best: the machine's best convolution in float32, GFLOP/s.
    """
    gflop = count_gflop(maisi(torch.device("meta")))
    box = box_for(generator, SIZE)
    works: dict[str, Work] = {
        f"TumorGen, {STEPS} steps, {precision}": partial(_inserted_in, context, generator, volume, box)
        for precision, context in precisions(generator.device).items()
    }
    works[MAISI] = maisi(generator.device)
    for name, times in in_turn(works, repeats).items():
        yield row_of(SECTION, name, times, *((gflop, best) if name == MAISI else ()))


def remark(rows: Sequence[Row]) -> Iterator[str]:
    """The ratio of MAISI's time to TumorGen's and its meaning; nothing if MAISI did not run."""
    seconds = {row.name: row.seconds for row in rows if row.section == SECTION}
    if theirs := seconds.pop(MAISI, None):
        ratios = " and ".join(f"{theirs / ours:.1f} times as long as {name}" for name, ours in seconds.items())
        yield (
            f"{MAISI} (MONAI's networks, random weights) takes {ratios}. MAISI does another job: it generates a whole "
            "volume and does not fill a box in a scan. The ratio only says how much longer a user waits for a tumor in "
            f"a {PATCH} patch."
        )


def _inserted_in(
    context: Callable[[], AbstractContextManager], generator: TumorGenerator, volume: PetVolume, box: Box
) -> None:
    with context():
        inserted(generator, volume, box)


def maisi(device: torch.device) -> Work:
    """Sampling and decoding of one volume, (1, 1, 128, 128, 64).

    The authors' script decodes a volume of this size as a whole, without a sliding window.

    Args:
        device: ``meta`` only counts the work.
    """
    torch.manual_seed(0)
    with device:
        autoencoder = AutoencoderKlMaisi(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            latent_channels=4,
            num_channels=(64, 128, 256),
            num_res_blocks=(2, 2, 2),
            norm_num_groups=32,
            norm_eps=1e-6,
            attention_levels=(False, False, False),
            num_splits=1,
            dim_split=1,
        ).eval()
        unet = DiffusionModelUNetMaisi(
            spatial_dims=3,
            in_channels=4,
            out_channels=4,
            num_channels=(64, 128, 256, 512),
            attention_levels=(False, False, True, True),
            num_head_channels=(0, 0, 32, 32),
            num_res_blocks=2,
            include_spacing_input=True,
            num_class_embeds=128,
            resblock_updown=True,
            include_fc=True,
        ).eval()
        noise = torch.randn(1, 4, *(n // 4 for n in SIZE))
        # Hundredths of a millimeter; class 1 is CT.
        condition = {"spacing_tensor": torch.tensor([[100.0, 100.0, 75.0]]), "class_labels": torch.tensor([1])}
        times = torch.linspace(1000, 0, MAISI_STEPS + 1)[:-1, None]

    @torch.inference_mode()
    def work() -> torch.Tensor:
        z = noise
        for t in times:
            z = z + unet(z, t, **condition) / MAISI_STEPS
        decoded: torch.Tensor = autoencoder.decode(z)
        return decoded

    return work
