"""`tumorgen train autoencoder`: trains the 3D VAE on PET patches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from TumorGenCore.bundle.folders import bundle_folder
from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.errors import ModelBundleError, TrainingDataError
from TumorGenCore.method.devices import channels_last
from TumorGenCore.method.losses import gradient_loss, kl_loss
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.config import AutoencoderRun, read_config
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.run_files import RunFiles
from TumorGenCore.training.loop.stage import Batch

__all__ = ["build_vae", "load_autoencoder", "psnr", "train_autoencoder", "vae_arguments"]

_FILES = RunFiles("autoencoder")
_VALIDATION_PATCHES, _SHOWN = 24, 8
_VAE_ARGUMENTS = (
    "channels",
    "num_res_blocks",
    "latent_channels",
    "norm_num_groups",
    "space_to_depth",
    "use_convtranspose",
)


def build_vae(run: AutoencoderRun) -> PetVAE:
    """Builds the network that the settings describe, with random weights."""
    return PetVAE(**vae_arguments(run))


def vae_arguments(run: AutoencoderRun) -> dict[str, Any]:
    """Returns the arguments of ``PetVAE`` from the settings, in the form that a bundle stores."""
    return {name: getattr(run, name) for name in _VAE_ARGUMENTS}


def psnr(reconstruction: torch.Tensor, truth: torch.Tensor) -> float:
    """Peak signal-to-noise ratio on the network scale (peak to peak 2), dB; the arguments have one shape."""
    return float(10 * torch.log10(4 / F.mse_loss(reconstruction, truth)))


class AutoencoderStage:
    """Training with L1 + squared error + gradient + KL on random patches.

    A batch has ``patch``, (n, 1, k, j, i), on the network scale.

    Args:
        run: settings.
        training: cases to learn from.
        validation: cases to measure on; without any, there are no validations and pictures.
    """

    def __init__(self, run: AutoencoderRun, training: Sequence[Case], validation: Sequence[Case]) -> None:
        self.run = run
        torch.manual_seed(run.loop.seed)
        self.network: nn.Module = channels_last(build_vae(run))
        self._training = self._maker(training, run.loop.seed)
        self._validation: torch.Tensor | None = None
        if validation:
            maker = self._maker(validation, run.loop.seed + 1)
            self._validation = self._patches(maker, range(_VALIDATION_PATCHES))

    def _maker(self, cases: Sequence[Case], seed: int) -> ExampleMaker:
        return ExampleMaker(cases, self.run.patch, self.run.offsets, self.run.examples, seed)

    def _patches(self, maker: ExampleMaker, indices: range) -> torch.Tensor:
        suv = np.stack([maker.texture(n, self.run.patch_size) for n in indices])
        return self.run.scale.to_network(torch.from_numpy(suv)[:, None])

    def batch(self, step: int, process: int) -> Batch:
        """Returns the patches of a step; see ``Stage.batch``."""
        first = (step + process * self.run.loop.steps) * self.run.batch_size
        return {"patch": self._patches(self._training, range(first, first + self.run.batch_size))}

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Returns the weighted sum and its terms ``l1``, ``mse``, ``gradient`` and ``kl``; see ``Stage.loss``."""
        patch = batch["patch"]
        torch.manual_seed(generator.initial_seed())  # MONAI's network draws the posterior's sample itself.
        reconstruction, mean, deviation = network(patch)
        l1 = F.l1_loss(reconstruction, patch)
        mse = F.mse_loss(reconstruction, patch)
        gradient = gradient_loss(reconstruction, patch)
        kl = kl_loss(mean, deviation)
        total = l1 + self.run.mse_weight * mse + self.run.gradient_weight * gradient + self.run.kl_weight * kl
        parts = {"l1": l1, "mse": mse, "gradient": gradient, "kl": kl}
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Returns ``psnr`` of reconstructed patches, dB; see ``Stage.validate``."""
        if self._validation is None:
            return {}
        made = torch.cat([network.decode(network.encode(p[None])) for p in self._validation])  # type: ignore[operator]
        return {"psnr": psnr(made, self._validation)}

    def picture(self, network: nn.Module, path: Path) -> None:
        """Shows some patches and their reconstructions; see ``Stage.picture``."""
        if self._validation is None:
            return
        shown = self._validation[:_SHOWN]
        made = network.decode(network.encode(shown))  # type: ignore[operator]
        scale = self.run.scale
        save_slices([scale.to_suv(shown), scale.to_suv(made)], ["scan", "reconstruction"], path)


def train_autoencoder(job: TrainingJob, run: AutoencoderRun) -> Path:
    """Trains the VAE; writes ``autoencoder.safetensors`` and ``autoencoder.json`` into the job's output folder.

    Args:
        job: the run; ``start_from`` is the output folder of a finished run or a model bundle.
        run: settings.

    Returns:
        Path of the weights.

    Raises:
        TrainingDataError: the folder, the settings or the initial weights are unusable.
    """
    first = None if job.start_from is None else _same_shape(*load_autoencoder(Path(job.start_from)), run)
    stage = AutoencoderStage(run, *job.begin(run, _FILES))
    if first is not None:
        stage.network.load_state_dict(first.state_dict())
    return _FILES.write_weights(job.output, job.train(stage, run.loop))


def _same_shape(network: PetVAE, its_run: AutoencoderRun, run: AutoencoderRun) -> PetVAE:
    if vae_arguments(its_run) != vae_arguments(run) or its_run.scale != run.scale:
        raise TrainingDataError(
            "The initial weights have another network shape or intensity scale than the configuration; "
            "give both the same shape and scale, or train without --start-from."
        )
    return network


def load_autoencoder(folder: Path) -> tuple[PetVAE, AutoencoderRun]:
    """Loads a trained VAE and its settings from the output folder of a run, or from a model bundle (name or folder).

    Raises:
        TrainingDataError: the folder contains no finished autoencoder, or a damaged one.
        ModelBundleError: the bundle is damaged.
    """
    if not _FILES.are_in(folder):
        try:
            bundle = bundle_folder(folder)
        except ModelBundleError as error:
            raise _FILES.unfinished(folder) from error
        return _of_bundle(load_bundle(bundle))
    run = read_config(AutoencoderRun, folder / _FILES.config)
    network = build_vae(run)
    with _FILES.named_damage(folder):
        _FILES.read_weights(folder, network)
    return network.eval(), run


def _of_bundle(bundle: ModelBundle) -> tuple[PetVAE, AutoencoderRun]:
    arguments = bundle.network_arguments["vae"]
    return bundle.vae, AutoencoderRun(scale=bundle.scale, patch=bundle.patch, **arguments)
