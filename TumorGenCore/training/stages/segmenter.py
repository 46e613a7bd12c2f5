"""`tumorgen train segmenter`: trains the segmenter of the evaluations, on real tumors only.

The architecture is that of nnU-Net (MONAI ``DynUNet``). Training shows tumors where they grew and, as augmentation,
tumors moved into other tissue, but no generated tumors. So a generated tumor is like a real one for it if it finds both
as often and agrees with both masks as much.
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
from torch import nn

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import autocast, channels_last, pick_device
from TumorGenCore.method.losses import overlap_loss
from TumorGenCore.training.config import SegmenterRun, read_config
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.labeled_scans import PatchPicker, labeled, tissue_only
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.run_files import RunFiles
from TumorGenCore.training.loop.stage import Batch
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["MixedScenes", "Scenes", "Segmenter", "SegmenterStage", "load_segmenter", "train_segmenter"]

#: Largest number of patches in a batch, for any patch size; also the distance between the indices of two steps.
MOST_IN_A_BATCH = 16
_VALIDATION_PATCHES, _SHOWN = 24, 10
_FILES = RunFiles("segmenter")


@dataclass(frozen=True)
class Segmenter:
    """A trained segmenter.

    Args:
        network: computes tumor logits, (n, 1, k, j, i) -> same shape.
        run: its settings.
        training_cases: names of its training cases.
    """

    network: nn.Module
    run: SegmenterRun
    training_cases: tuple[str, ...]

    @torch.inference_mode()
    def find(self, image: sitk.Image, patch: WorkingPatch, finer: int = 1) -> NDArray[np.bool_]:
        """Finds the tumor voxels of a working patch. Averages the logits over eight mirrored copies, like nnU-Net.

        Args:
            image: SUV.
            patch: patch to segment; its edges are multiples of ``2 ** (levels - 1)``.
            finer: voxels of the result along each axis for one voxel of the patch.

        Returns:
            Boolean array (k, j, i) on the finer grid, true in tumors.
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
        """Makes patch ``index``.

        Args:
            index: decides the patch together with the seed of the scenes.
            size: voxels along each axis.

        Returns:
            SUV and mask, 0/1, both (k, j, i).
        """
        ...


class MixedScenes:
    """Patches with tumors at their own size, which may be cut off, and with tumors rescaled to fit into the patch.

    An evaluation shows large tumors at their own size. Rescaled tumors add the small sizes that the data lack.

    Args:
        cases: cases whose tumors and tissue are shown, without disease that has no contour.
        run: settings.
        seed: decides a patch together with its index.
    """

    def __init__(self, cases: Sequence[Case], run: SegmenterRun, seed: int) -> None:
        self.seed, self.own_size_share = seed, run.own_size_share
        self._rescaled = ExampleMaker(cases, run.patch, run.offsets, run.examples, seed)
        excluded = run.data.exclude_lps_mm
        scans = [labeled(c) if c.lesions else tissue_only(c, excluded.get(c.name, ())) for c in cases]
        self._own_size = PatchPicker(scans, [], scans, run.patch.spacing_mm, seed)

    def scene(self, index: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Makes SUV and mask of patch ``index``, (k, j, i), ``size`` voxels along each axis; see ``Scenes.scene``."""
        own_size = np.random.default_rng([self.seed, 7, index]).random() < self.own_size_share
        return (self._own_size if own_size else self._rescaled).scene(index, size)


class SegmenterStage:
    """Training with Dice + cross-entropy on patches with and without a tumor.

    A batch has ``patch``, on the network scale, and ``mask``, 0/1; both (n, 1, k, j, i).

    Args:
        run: settings.
        training: patches to learn from.
        validation: patches to measure on; without any, there are no validations and pictures.
    """

    def __init__(self, run: SegmenterRun, training: Scenes, validation: Scenes | None = None) -> None:
        self.run = run
        torch.manual_seed(run.loop.seed)
        self.network: nn.Module = channels_last(use_onednn(_build(run)))
        self._training = training
        self._validation = self._scenes(validation, range(_VALIDATION_PATCHES), run.patch_size) if validation else None

    def _scenes(self, maker: Scenes, indices: range, size: int) -> Batch:
        scenes = [maker.scene(n, size) for n in indices]
        suv, mask = (torch.from_numpy(np.stack(part)[:, None].astype(np.float32)) for part in zip(*scenes, strict=True))
        return {"patch": self.run.scale.to_network(suv), "mask": mask}

    def batch(self, step: int, process: int) -> Batch:
        """Returns patches of one size; all batches have about as many voxels. See ``Stage.batch``."""
        sizes = [self.run.patch_size, *self.run.other_sizes]
        size = sizes[np.random.default_rng([self.run.loop.seed, 5, step]).integers(len(sizes))]
        count = max(1, min(round(self.run.batch_size * (self.run.patch_size / size) ** 3), MOST_IN_A_BATCH))
        first = (step + process * self.run.loop.steps) * MOST_IN_A_BATCH
        return self._scenes(self._training, range(first, first + count), size)

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns Dice + cross-entropy, without parts; see ``Stage.loss``."""
        return overlap_loss(network(batch["patch"]).float(), batch["mask"]), {}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Returns ``dice`` over the voxels of all validation patches; see ``Stage.validate``."""
        if self._validation is None:
            return {}
        found, truth = self._found(network, self._validation["patch"]), self._validation["mask"] > 0
        return {"dice": float(2 * (found & truth).sum() / (found.sum() + truth.sum()).clamp_min(1))}

    def picture(self, network: nn.Module, path: Path) -> None:
        """Shows some patches with their contours and with the segmenter's result; see ``Stage.picture``."""
        if self._validation is None:
            return
        patch, mask = (self._validation[name][:_SHOWN] for name in ("patch", "mask"))
        suv, found = self.run.scale.to_suv(patch), self._found(network, patch).float()
        save_slices([suv, suv], ["contour", "found"], path, [mask, found])

    def _found(self, network: nn.Module, patches: torch.Tensor) -> torch.Tensor:
        device = next(network.parameters()).device
        return torch.cat([network(p[None].to(device)).float().cpu() > 0 for p in patches])


def train_segmenter(job: TrainingJob, run: SegmenterRun) -> Path:
    """Trains the segmenter; writes ``segmenter.safetensors`` and ``segmenter.json`` into the job's output folder.

    Args:
        job: the run; ``start_from`` is ignored.
        run: settings. Use the generator's split, so that the segmenter does not know the patients of an evaluation.

    Returns:
        Path of the weights.

    Raises:
        TrainingDataError: the folder or the settings are unusable.
    """
    training, validation = job.begin(run, _FILES)
    if not training:
        raise TrainingDataError("The split leaves no case for training; lower data.validation_share.")
    scenes = MixedScenes(training, run, run.loop.seed)
    shown = MixedScenes(validation, run, run.loop.seed + 1) if validation else None
    network = job.train(SegmenterStage(run, scenes, shown), run.loop)
    about = {"training": json.dumps([case.name for case in training])}
    return _FILES.write_weights(job.output, network, about)


def load_segmenter(folder: Path, device: str = "auto") -> Segmenter:
    """Loads a trained segmenter from the output folder of its run.

    Args:
        folder: output folder of the run.
        device: device for the network.

    Raises:
        TrainingDataError: the folder contains no finished segmenter, or a damaged one.
    """
    if not _FILES.are_in(folder):
        raise _FILES.unfinished(folder)
    run = read_config(SegmenterRun, folder / _FILES.config)
    network = _build(run)
    with _FILES.named_damage(folder):
        _FILES.read_weights(folder, network)
        names = json.loads(_FILES.read_about(folder)["training"])
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
