"""`tumorgen train rival`: trains the generator's backbone by the method of another system, for `tumorgen compare`.

Examples, latents, network and loop are those of the generator, so that only the method differs.

- ``diffusion`` (like DiffTumor): denoises z, given z^m, B and the mask.
- ``unconditional`` (like blended latent diffusion): the flow of [z, m] without z^m and B.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method import losses
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import channels_last, pick_device
from TumorGenCore.method.schedule import time_grid
from TumorGenCore.method.solver import KnownRegion, integrate
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.config import RivalRun, read_config
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.pictures import save_slices
from TumorGenCore.training.loop.run_files import RunFiles
from TumorGenCore.training.loop.stage import Batch
from TumorGenCore.training.stages.diffusion import LEVELS, add_noise, denoise, diffusion_velocity
from TumorGenCore.training.stages.generator import begin_on_latents
from TumorGenCore.training.stages.generator_stage import VALIDATION_TIMES, GeneratorStage, draw_noise

__all__ = ["STAGES", "TrainedRival", "estimate_velocity", "hash_vae", "load_rival", "train_rival", "without_condition"]

_FILES = RunFiles("rival")


@dataclass(frozen=True)
class TrainedRival:
    """A trained rival.

    Args:
        network: the generator's vector field, trained by another method.
        run: its settings.
        latent_mean, latent_deviation: one number per channel, to normalize latents.
        training_cases: names of its training cases.
        vae_hash: hash of the VAE that made its latents; see ``hash_vae``.
    """

    network: VectorField
    run: RivalRun
    latent_mean: list[float]
    latent_deviation: list[float]
    training_cases: tuple[str, ...]
    vae_hash: str

    def check_bundle(self, bundle: ModelBundle) -> None:
        """Refuses a bundle with another VAE, because its latents have another meaning.

        Raises:
            TrainingDataError: the bundle has another VAE.
        """
        if hash_vae(bundle.vae) != self.vae_hash:
            raise TrainingDataError(
                f"The {self.run.kind} rival was trained with another autoencoder than {bundle.name}; train both "
                "with the same one."
            )


def estimate_velocity(
    network: nn.Module,
    z_t: torch.Tensor,
    m: torch.Tensor,
    z_m: torch.Tensor,
    box: torch.Tensor,
    level: torch.Tensor,
) -> torch.Tensor:
    """Estimates the diffusion's v of z_t with the generator's backbone; the given mask replaces the noisy one.

    Args:
        network: the backbone.
        z_t: noisy latents, (n, c, k, j, i).
        m: the mask's occupancy of latent cells, (n, 1, k, j, i), -1 to 1.
        z_m: latents of the patch without the content of the box, (n, c, k, j, i).
        box: B, (n, 1, k, j, i), 1 inside.
        level: noise level, (n,), 0 to 49.

    Returns:
        v, float32, same shape as ``z_t``.
    """
    made: torch.Tensor = network(torch.cat([z_t, m], dim=1), z_m, box, level / LEVELS)
    return made[:, :-1].float()


def without_condition(
    network: nn.Module, x_t: torch.Tensor, z_m: torch.Tensor, box: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """Estimates the velocity with the generator's backbone, which sees neither the surroundings nor the box.

    Args:
        network: the backbone.
        x_t: noisy [z, m], (n, c + 1, k, j, i).
        z_m: (n, c, k, j, i); only its shape is used.
        box: (n, 1, k, j, i); only its shape is used.
        t: time, (n,), 0 noise, 1 data.

    Returns:
        v, float32, same shape as ``x_t``.
    """
    made: torch.Tensor = network(x_t, torch.zeros_like(z_m), torch.zeros_like(box), t)
    return made.float()


class _RivalStage(GeneratorStage):
    """The generator's stage with its vector field alone; one error replaces Eq. 7."""

    def build_network(self) -> nn.Module:
        return self.field_kind(**self.arguments["vector_field"])

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Returns the mean squared error of the network's estimate.

        Args:
            network: the backbone.
            batch: n examples.
            noise: noise for [z, m], (n, c + 1, k, j, i).
            t: times, (n,), between 0 and 1.
        """
        raise NotImplementedError

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Samples latents and masks [z, m], (n, c + 1, k, j, i), in the boxes of a batch.

        Args:
            network: the backbone.
            batch: n examples.
            generator: random generator of the noise, on the CPU.
        """
        raise NotImplementedError

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        noise = draw_noise(batch["x_1"], generator)
        return self.error(network, batch, noise, self.draw_times(len(noise), generator).to(noise.device)), {}

    def validate(self, network: nn.Module) -> dict[str, float]:
        if self.held_out is None:
            return {}
        batch = self.normalized(self.held_out, list(range(len(self.held_out))))
        noise = draw_noise(batch["x_1"], torch.Generator().manual_seed(0))
        errors = [self.error(network, batch, noise, torch.full((len(noise),), t)) for t in VALIDATION_TIMES]
        return {"error": float(torch.stack(errors).mean())}

    def picture(self, network: nn.Module, path: Path) -> None:
        if self.held_out is None:
            return
        batch = self.normalized(self.held_out, list(range(min(10, len(self.held_out)))))
        made = [self.sample(network, batch, torch.Generator().manual_seed(seed)) for seed in range(2)]
        rows = [self.scale.to_suv(self.decode(x)[0]) for x in (batch["x_1"], *made)]
        masks = [nn.functional.interpolate(x[:, -1:], scale_factor=self.vae.factor) / 2 + 0.5 for x in made]
        save_slices(rows, ["scan, contour", "seed 0", "seed 1"], path, [batch["mask"], *masks])


class DiffusionStage(_RivalStage):
    """Training on z at one of fifty noise levels; errors inside the box count more, as for the generator."""

    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draws uniform times, so that all levels are equally frequent, as is usual for these models."""
        return torch.rand(count, generator=generator)

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        z_1, m = batch["x_1"][:, :-1], batch["x_1"][:, -1:]
        level = (t * LEVELS).long().clamp_max(LEVELS - 1)
        z_t, v = (make(z_1, noise[:, :-1], level) for make in (add_noise, diffusion_velocity))
        found = estimate_velocity(network, z_t, m, batch["z_m"], batch["box"], level)
        weight = (1 + (self.run.box_weight - 1) * batch["box"]).expand_as(found)
        return ((found - v) ** 2 * weight).sum() / weight.sum()

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        z_1, m = batch["x_1"][:, :-1], batch["x_1"][:, -1:]

        def estimate(z_t: torch.Tensor, level: int) -> torch.Tensor:
            return estimate_velocity(network, z_t, m, batch["z_m"], batch["box"], torch.full((len(z_t),), level))

        z = denoise(estimate, torch.randn(z_1.shape, generator=generator), "ddim", generator)
        return torch.cat([z, m], dim=1)


class UnconditionalStage(_RivalStage):
    """Training by Eq. 3 without the condition; all cells count alike, because the network does not know the box."""

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        at = t.reshape(-1, 1, 1, 1, 1)
        x_t = (1 - at) * noise + at * batch["x_1"]
        velocity = without_condition(network, x_t, batch["z_m"], batch["box"], t)
        return losses.rectified_flow_loss(velocity, batch["x_1"], noise)

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        noise = torch.randn(batch["x_1"].shape, generator=generator)

        def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
            return without_condition(network, x, batch["z_m"], batch["box"], torch.full((len(x),), t))

        return integrate(velocity, noise, time_grid(LEVELS), known=KnownRegion(batch["x_1"], noise, batch["box"]))


#: Stages by the kind of rival.
STAGES: dict[str, type[_RivalStage]] = {"diffusion": DiffusionStage, "unconditional": UnconditionalStage}


def train_rival(job: TrainingJob, autoencoder: Path, run: RivalRun) -> Path:
    """Trains a rival; writes ``rival.safetensors`` and ``rival.json`` into the job's output folder.

    Args:
        job: the run; ``start_from`` is ignored. With the same settings, the generator's cached latents can be used.
        autoencoder: the bundle to compare the rival with, or the output folder of its VAE's run.
        run: settings; for a fair comparison those of the generator.

    Returns:
        Path of the weights.

    Raises:
        TrainingDataError: the folder, the autoencoder or the settings are unusable.
        ModelBundleError: the autoencoder is a damaged bundle.
    """
    if run.kind not in STAGES:
        raise TrainingDataError(f"The kind of rival {run.kind!r} is unknown; use one of: {', '.join(STAGES)}.")
    stage = begin_on_latents(STAGES[run.kind], job, autoencoder, run, _FILES)
    network = job.train(stage, run.loop)
    about = {
        "arguments": stage.arguments["vector_field"],
        "latent_mean": stage.mean,
        "latent_deviation": stage.deviation,
        "training_cases": [case.name for case in stage.training],
        "vae_hash": hash_vae(stage.vae),
    }
    return _FILES.write_weights(job.output, network, {"about": json.dumps(about)})


def load_rival(folder: Path, kind: str, device: str = "auto") -> TrainedRival:
    """Loads a trained rival from the output folder of its run.

    Args:
        folder: output folder of the run.
        kind: expected kind, a key of ``STAGES``.
        device: device for the network.

    Raises:
        TrainingDataError: the folder contains no finished rival, one of another kind, or a damaged one.
    """
    if not _FILES.are_in(folder):
        raise _FILES.unfinished(folder)
    run = read_config(RivalRun, folder / _FILES.config)
    if run.kind != kind:
        raise TrainingDataError(f"{folder} contains a rival of the kind {run.kind}; give one of the kind {kind}.")
    with _FILES.named_damage(folder):
        about = json.loads(_FILES.read_about(folder)["about"])
        network = VectorField(**about.pop("arguments"))
        _FILES.read_weights(folder, network)
        about["training_cases"] = tuple(about["training_cases"])
        network = channels_last(use_onednn(network)).to(pick_device(device)).eval().requires_grad_(False)
        return TrainedRival(network, run, **about)


def hash_vae(vae: PetVAE) -> str:
    """Returns the sha256 of the weights in half precision, as stored in a bundle; 64 hex digits."""
    digest = hashlib.sha256()
    for _, tensor in sorted(vae.state_dict().items()):
        digest.update(tensor.half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
