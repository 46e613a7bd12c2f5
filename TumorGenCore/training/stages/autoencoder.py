"""`tumorgen train autoencoder`: the 3D VAE on patches of PET."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from TumorGenCore.bundle.folders import bundle_folder
from TumorGenCore.bundle.model_bundle import ModelBundle, load_bundle
from TumorGenCore.errors import ModelBundleError, TrainingDataError
from TumorGenCore.method.devices import channels_last
from TumorGenCore.method.losses import gradient_loss, kl_loss
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.config import AutoencoderRun, read_config, write_config
from TumorGenCore.training.data.cases import Case, load_cases, split_patients
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.loop.checkpoint import refuse_to_mix
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.trainer import train
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["build_vae", "load_autoencoder", "psnr", "train_autoencoder", "vae_arguments"]

_CONFIG, _WEIGHTS = "autoencoder.json", "autoencoder.safetensors"
_VAE_ARGUMENTS = (
    "channels",
    "num_res_blocks",
    "latent_channels",
    "norm_num_groups",
    "space_to_depth",
    "use_convtranspose",
)


def build_vae(run: AutoencoderRun) -> PetVAE:
    """The network a run describes."""
    return PetVAE(**vae_arguments(run))


def vae_arguments(run: AutoencoderRun) -> dict[str, Any]:
    """The arguments of ``PetVAE`` among a run's settings, as bundles keep them."""
    return {name: getattr(run, name) for name in _VAE_ARGUMENTS}


def psnr(reconstruction: torch.Tensor, truth: torch.Tensor) -> float:
    """Peak signal-to-noise ratio on the network scale, peak to peak 2, dB."""
    return float(10 * torch.log10(4 / F.mse_loss(reconstruction, truth)))


class AutoencoderStage:
    """L1 + squared error + gradient + KL on random patches."""

    def __init__(self, run: AutoencoderRun, training: Sequence[Case], validation: Sequence[Case]) -> None:
        self.run = run
        torch.manual_seed(run.loop.seed)
        self.network: nn.Module = channels_last(build_vae(run))
        self._training = self._maker(training, run.loop.seed)
        if validation:
            maker = self._maker(validation, run.loop.seed + 1)
            self._validation = self._patches(maker, range(24))

    def _maker(self, cases: Sequence[Case], seed: int) -> ExampleMaker:
        return ExampleMaker(cases, self.run.patch, self.run.offsets, self.run.examples, seed)

    def _patches(self, maker: ExampleMaker, indices: range) -> torch.Tensor:
        suv = np.stack([maker.texture(n, self.run.patch_size) for n in indices])
        return self.run.scale.to_network(torch.from_numpy(suv)[:, None])

    def batch(self, step: int, process: int) -> dict[str, torch.Tensor]:
        first = (step + process * self.run.loop.steps) * self.run.batch_size
        return {"patch": self._patches(self._training, range(first, first + self.run.batch_size))}

    def loss(
        self, network: nn.Module, batch: dict[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        patch = batch["patch"]
        torch.manual_seed(generator.initial_seed())  # The posterior's sample is drawn inside MONAI's network.
        reconstruction, mean, deviation = network(patch)
        l1 = F.l1_loss(reconstruction, patch)
        mse = F.mse_loss(reconstruction, patch)
        gradient = gradient_loss(reconstruction, patch)
        kl = kl_loss(mean, deviation)
        total = l1 + self.run.mse_weight * mse + self.run.gradient_weight * gradient + self.run.kl_weight * kl
        parts = {"l1": l1, "mse": mse, "gradient": gradient, "kl": kl}
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def validate(self, network: nn.Module) -> dict[str, float]:
        if not hasattr(self, "_validation"):
            return {}
        made = torch.cat([network.decode(network.encode(p[None])) for p in self._validation])  # type: ignore[operator]
        return {"psnr": psnr(made, self._validation)}

    def picture(self, network: nn.Module, path: Path) -> None:
        if not hasattr(self, "_validation"):
            return
        shown = self._validation[:8]
        made = network.decode(network.encode(shown))  # type: ignore[operator]
        scale = self.run.scale
        save_slices([scale.to_suv(shown), scale.to_suv(made)], ["scan", "reconstruction"], path)


def train_autoencoder(
    data: Path,
    output: Path,
    run: AutoencoderRun,
    resume: bool = False,
    quiet: bool = False,
    start_from: Path | None = None,
) -> Path:
    """Train the VAE; writes ``autoencoder.safetensors`` and ``autoencoder.json`` into ``output``.

    Args:
        data: folder of cases.
        output: where the run lives.
        run: its settings.
        resume: go on from the newest checkpoint in ``output``.
        quiet: no progress bar.
        start_from: output folder of a finished run whose weights this one starts with.

    Raises:
        TrainingDataError: the folder, the run's settings or the weights to start from cannot be used.
    """
    refuse_to_mix(output, resume)
    first = None if start_from is None else _same_shape(*load_autoencoder(start_from), run)
    output.mkdir(parents=True, exist_ok=True)
    cases = load_cases(data, run.data.names, run.data.exclude_lps_mm, run.data.patient_pattern)
    training, validation = split_patients(cases, run.data.validation_share, run.data.split_seed, run.data.always_train)
    write_config(run, output / _CONFIG)
    stage = AutoencoderStage(run, training, validation)
    if first is not None:
        stage.network.load_state_dict(first.state_dict())
    network = train(stage, run.loop, output, resume, quiet)
    with replacing(output / _WEIGHTS) as temporary:
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, temporary)
    return output / _WEIGHTS


def _same_shape(network: PetVAE, its_run: AutoencoderRun, run: AutoencoderRun) -> PetVAE:
    if vae_arguments(its_run) != vae_arguments(run) or its_run.scale != run.scale:
        raise TrainingDataError(
            "The weights to start from belong to another network or intensity scale than the configuration's; "
            "give both the same shapes and scale, or train from the beginning."
        )
    return network


def load_autoencoder(folder: Path) -> tuple[PetVAE, AutoencoderRun]:
    """The trained VAE of a run's output folder, with its settings; or a model bundle's, by its name or folder.

    Raises:
        TrainingDataError: the folder holds no finished autoencoder, or a damaged one.
        ModelBundleError: it is a damaged bundle.
    """
    if not (folder / _WEIGHTS).exists():
        try:
            bundle = bundle_folder(folder)
        except ModelBundleError as error:
            raise TrainingDataError(
                f"{folder} holds no {_WEIGHTS}; run `tumorgen train autoencoder` to its end first."
            ) from error
        return _of_bundle(load_bundle(bundle))
    run = read_config(AutoencoderRun, folder / _CONFIG)
    network = build_vae(run)
    try:
        network.load_state_dict(load_file(folder / _WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise TrainingDataError(
            f"{_WEIGHTS} in {folder} is damaged or not of the network in {_CONFIG}; train the autoencoder again."
        ) from error
    return network.eval(), run


def _of_bundle(bundle: ModelBundle) -> tuple[PetVAE, AutoencoderRun]:
    arguments = bundle.network_arguments["vae"]
    return bundle.vae, AutoencoderRun(scale=bundle.scale, patch=bundle.patch, **arguments)
