"""`tumorgen train segmenter`: the independent judge of masks, trained on real tumors only.

nnU-Net's architecture (MONAI ``DynUNet``). It sees tumors where they grew, and, as augmentation, moved into other
tissue; none that a generator made: whether it finds one, and where it
draws the border, says whether image and mask agree as they do in real scans.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Protocol

import numpy as np
import SimpleITK as sitk
import torch
from monai.networks.nets import DynUNet
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import nn

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import autocast, channels_last, pick_device
from TumorGenCore.method.losses import overlap_loss
from TumorGenCore.training.config import SegmenterRun, read_config, write_config
from TumorGenCore.training.data.cases import Case, load_cases, split_patients
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.labeled_scans import PatchPicker, labeled, tissue_only
from TumorGenCore.training.loop.checkpoint import refuse_to_mix
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.trainer import train
from TumorGenCore.volumes.patch import WorkingPatch
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["MixedScenes", "Scenes", "Segmenter", "SegmenterStage", "load_segmenter", "train_segmenter"]

MOST_IN_A_BATCH = 16
_CONFIG, _WEIGHTS = "segmenter.json", "segmenter.safetensors"


@dataclass(frozen=True)
class Segmenter:
    """A trained segmenter.

    Args:
        network: logits of tumor, (n, 1, k, j, i) -> the same shape.
        run: its settings.
        training_cases: names of the cases it learned from.
    """

    network: nn.Module
    run: SegmenterRun
    training_cases: tuple[str, ...]

    @torch.inference_mode()
    def find(self, image: sitk.Image, patch: WorkingPatch, finer: int = 1) -> NDArray[np.bool_]:
        """The tumor voxels of a working patch, (k, j, i), on a grid ``finer`` times as fine; ``image`` in SUV.

        The logits are means over the eight mirrorings of the patch, as nnU-Net's are.
        """
        suv = torch.from_numpy(patch.sample(image))[None, None]
        device = next(self.network.parameters()).device
        x = self.run.scale.to_network(suv).to(device)
        logits = torch.zeros_like(x)
        for axes in (axes for count in range(4) for axes in combinations((2, 3, 4), count)):
            with autocast(device):
                logits += self.network(x.flip(axes)).float().flip(axes) / 8
        logits = nn.functional.interpolate(logits, scale_factor=finer, mode="trilinear", align_corners=False)
        found: NDArray[np.bool_] = (logits[0, 0] > 0).cpu().numpy()
        return found


class Scenes(Protocol):
    """Patches with and without a tumor; the index alone decides which."""

    def scene(self, index: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """SUV and mask, (k, j, i), ``size`` voxels along each axis."""
        ...


class MixedScenes:
    """Tumors at their own size, of which a patch may hold a part only, and tumors rescaled to fit into their patch.

    Large tumors at their own size are what an evaluation shows; small ones the data lack.

    Args:
        cases: whose tumors and tissue are shown; disease that nobody contoured is not.
        run: settings.
        seed: with an index, decides a patch.
    """

    def __init__(self, cases: Sequence[Case], run: SegmenterRun, seed: int) -> None:
        self.seed, self.own_size_share = seed, run.own_size_share
        self._rescaled = ExampleMaker(cases, run.patch, run.offsets, run.examples, seed)
        excluded = run.data.exclude_lps_mm
        scans = [labeled(c) if c.lesions else tissue_only(c, excluded.get(c.name, ())) for c in cases]
        self._own_size = PatchPicker(scans, [], scans, run.patch.spacing_mm, seed)

    def scene(self, index: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """SUV and mask, (k, j, i), ``size`` voxels along each axis."""
        own_size = np.random.default_rng([self.seed, 7, index]).random() < self.own_size_share
        return (self._own_size if own_size else self._rescaled).scene(index, size)


class SegmenterStage:
    """Dice + cross-entropy on patches with and without a tumor."""

    def __init__(self, run: SegmenterRun, training: Scenes, validation: Scenes | None = None) -> None:
        self.run = run
        torch.manual_seed(run.loop.seed)
        self.network: nn.Module = channels_last(use_onednn(_build(run)))
        self._training = training
        self._validation = self._scenes(validation, range(24), run.patch_size) if validation else None

    def _scenes(self, maker: Scenes, indices: range, size: int) -> dict[str, torch.Tensor]:
        scenes = [maker.scene(n, size) for n in indices]
        suv, mask = (torch.from_numpy(np.stack(part)[:, None].astype(np.float32)) for part in zip(*scenes, strict=True))
        return {"patch": self.run.scale.to_network(suv), "mask": mask}

    def batch(self, step: int, process: int) -> dict[str, torch.Tensor]:
        sizes = [self.run.patch_size, *self.run.other_sizes]
        size = sizes[np.random.default_rng([self.run.loop.seed, 5, step]).integers(len(sizes))]
        # As many voxels in every batch.
        count = max(1, min(round(self.run.batch_size * (self.run.patch_size / size) ** 3), MOST_IN_A_BATCH))
        first = (step + process * self.run.loop.steps) * MOST_IN_A_BATCH
        return self._scenes(self._training, range(first, first + count), size)

    def loss(
        self, network: nn.Module, batch: dict[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        return overlap_loss(network(batch["patch"]).float(), batch["mask"]), {}

    def validate(self, network: nn.Module) -> dict[str, float]:
        if self._validation is None:
            return {}
        found, truth = self._found(network, self._validation["patch"]), self._validation["mask"] > 0
        return {"dice": float(2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp_min(1))}

    def picture(self, network: nn.Module, path: Path) -> None:
        if self._validation is None:
            return
        suv = self.run.scale.to_suv(self._validation["patch"][:10])
        found = self._found(network, self._validation["patch"][:10]).float()
        save_slices([suv, suv], ["contour", "found"], path, [self._validation["mask"][:10], found])

    def _found(self, network: nn.Module, patches: torch.Tensor) -> torch.Tensor:
        device = next(network.parameters()).device
        return torch.cat([network(p[None].to(device)).float().cpu() > 0 for p in patches])


def train_segmenter(data: Path, output: Path, run: SegmenterRun, resume: bool = False, quiet: bool = False) -> Path:
    """Train the segmenter; writes ``segmenter.safetensors`` and ``segmenter.json`` into ``output``.

    Args:
        data: folder of cases.
        output: where the run lives.
        run: its settings. Its split must be the generator's, or it would know patients that an evaluation asks about.
        resume: go on from the newest checkpoint in ``output``.
        quiet: no progress bar.

    Raises:
        TrainingDataError: the folder or the run's settings cannot be used.
    """
    refuse_to_mix(output, resume)
    output.mkdir(parents=True, exist_ok=True)
    cases = load_cases(data, run.data.names, run.data.exclude_lps_mm, run.data.patient_pattern)
    training, validation = split_patients(cases, run.data.validation_share, run.data.split_seed, run.data.always_train)
    write_config(run, output / _CONFIG)
    makers = [
        MixedScenes(some, run, run.loop.seed + n) if some else None for n, some in enumerate((training, validation))
    ]
    if makers[0] is None:
        raise TrainingDataError("No case is left to train on; lower data.validation_share.")
    network = train(SegmenterStage(run, makers[0], makers[1]), run.loop, output, resume, quiet)
    with replacing(output / _WEIGHTS) as temporary:
        names = json.dumps([case.name for case in training])
        # MONAI's network has its layers under two names, which ``save_file`` refuses.
        save_model(network.to(memory_format=torch.contiguous_format), str(temporary), {"training": names})  # type: ignore[call-overload]
    return output / _WEIGHTS


def load_segmenter(folder: Path, device: str = "auto") -> Segmenter:
    """The trained segmenter of a run's output folder.

    Raises:
        TrainingDataError: the folder holds no finished segmenter, or a damaged one.
    """
    if not (folder / _WEIGHTS).exists():
        raise TrainingDataError(f"{folder} holds no {_WEIGHTS}; run `tumorgen train segmenter` to its end first.")
    run = read_config(SegmenterRun, folder / _CONFIG)
    network = _build(run)
    try:
        load_model(network, folder / _WEIGHTS)
        with safe_open(folder / _WEIGHTS, "pt") as file:
            names = json.loads(file.metadata()["training"])
    except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise TrainingDataError(
            f"{_WEIGHTS} in {folder} is damaged or not of the network in {_CONFIG}; train the segmenter again."
        ) from error
    return Segmenter(channels_last(use_onednn(network)).to(pick_device(device)).eval(), run, tuple(names))


def _build(run: SegmenterRun) -> DynUNet:
    levels = len(run.channels)
    return DynUNet(
        spatial_dims=3,
        in_channels=1,
        out_channels=1,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=run.channels,
        res_block=True,
    )
