"""`tumorgen train rival`: the generator's backbone trained as other systems train theirs, for `tumorgen compare`.

Examples, latents, network and loop are the generator's, so that only the method differs.

- ``diffusion`` (DiffTumor's manner): z is denoised, given z^m, B and the mask.
- ``unconditional`` (blended latent diffusion's manner): the flow of [z, m] without z^m and B.
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
        network: the generator's vector field, trained otherwise.
        run: its settings.
        latent_mean, latent_deviation: a number a channel, to normalize latents.
        training_cases: names of the cases it learned from.
        vae_hash: of the VAE whose latents it knows; see ``hash_vae``.
    """

    network: VectorField
    run: RivalRun
    latent_mean: list[float]
    latent_deviation: list[float]
    training_cases: tuple[str, ...]
    vae_hash: str

    def check_bundle(self, bundle: ModelBundle) -> None:
        """Refuse a bundle with another VAE: its latents mean something else.

        Raises:
            TrainingDataError: it has another.
        """
        if hash_vae(bundle.vae) != self.vae_hash:
            raise TrainingDataError(
                f"The {self.run.kind} rival was trained on another autoencoder than that of {bundle.name}; train both "
                "on the same one."
            )


def estimate_velocity(
    network: nn.Module,
    z_t: torch.Tensor,
    m: torch.Tensor,
    z_m: torch.Tensor,
    box: torch.Tensor,
    level: torch.Tensor,
) -> torch.Tensor:
    """The diffusion's v of z_t, from the generator's backbone. The mask takes the place of the noisy one.

    Args:
        network: the backbone.
        z_t: noisy latents, (n, c, k, j, i).
        m: the mask's occupancy of latent cells, (n, 1, k, j, i), -1 to 1.
        z_m: latents of the patch without the box's content, (n, c, k, j, i).
        box: B, (n, 1, k, j, i), 1 inside.
        level: of the noise, (n,), 0 to 49.

    Returns:
        v, float32, of ``z_t``'s shape.
    """
    made: torch.Tensor = network(torch.cat([z_t, m], dim=1), z_m, box, level / LEVELS)
    return made[:, :-1].float()


def without_condition(
    network: nn.Module, x_t: torch.Tensor, z_m: torch.Tensor, box: torch.Tensor, t: torch.Tensor
) -> torch.Tensor:
    """The velocity by the generator's backbone, which is told nothing of the surroundings and the box.

    Args:
        network: the backbone.
        x_t: noisy [z, m], (n, c + 1, k, j, i).
        z_m: (n, c, k, j, i); only its shape counts.
        box: (n, 1, k, j, i); only its shape counts.
        t: time, (n,), 0 noise, 1 data.

    Returns:
        v, float32, of ``x_t``'s shape.
    """
    made: torch.Tensor = network(x_t, torch.zeros_like(z_m), torch.zeros_like(box), t)
    return made.float()


class _RivalStage(GeneratorStage):
    """The generator's stage, with its vector field alone and one error in the place of Eq. 7."""

    def build_network(self) -> nn.Module:
        return self.field_kind(**self.arguments["vector_field"])

    def error(self, network: nn.Module, batch: Batch, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Mean squared error of what the network estimates.

        Args:
            network: the backbone.
            batch: n examples.
            noise: of [z, m], (n, c + 1, k, j, i).
            t: times, (n,), between 0 and 1.
        """
        raise NotImplementedError

    def sample(self, network: nn.Module, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        """Latents and masks [z, m], (n, c + 1, k, j, i), in the place of a batch's.

        Args:
            network: the backbone.
            batch: n examples.
            generator: of the noise; of the CPU.
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
    """z at one of fifty noise levels; errors inside the box cost more, as the generator's do."""

    def draw_times(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Every level as often as any other, as these models are trained."""
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
    """Eq. 3 without the condition; every cell counts alike, since no box is known."""

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


#: By kind.
STAGES: dict[str, type[_RivalStage]] = {"diffusion": DiffusionStage, "unconditional": UnconditionalStage}


def train_rival(job: TrainingJob, autoencoder: Path, run: RivalRun) -> Path:
    """Train a rival; writes ``rival.safetensors`` and ``rival.json`` into the job's output.

    Args:
        job: starts from nothing; the generator's cached latents serve where the settings are the same.
        autoencoder: the bundle that the rival is compared with, or the output folder of its VAE's run.
        run: settings; the generator's, for a fair comparison.

    Returns:
        The file of the weights.

    Raises:
        TrainingDataError: the folder, the autoencoder or the run's settings cannot be used.
        ModelBundleError: the autoencoder is a damaged bundle.
    """
    if run.kind not in STAGES:
        raise TrainingDataError(f"The rival's kind is {run.kind!r}; use one of: {', '.join(STAGES)}.")
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
    """The trained rival of a run's output folder.

    Args:
        folder: the run's output.
        kind: the kind that is wanted, in ``STAGES``.
        device: where it computes.

    Raises:
        TrainingDataError: the folder holds no finished rival, one of another kind, or a damaged one.
    """
    if not _FILES.are_in(folder):
        raise _FILES.unfinished(folder)
    run = read_config(RivalRun, folder / _FILES.config)
    if run.kind != kind:
        raise TrainingDataError(f"{folder} holds a rival of the kind {run.kind}; give one of the kind {kind}.")
    with _FILES.named_damage(folder):
        about = json.loads(_FILES.read_about(folder)["about"])
        network = VectorField(**about.pop("arguments"))
        _FILES.read_weights(folder, network)
        about["training_cases"] = tuple(about["training_cases"])
        network = channels_last(use_onednn(network)).to(pick_device(device)).eval().requires_grad_(False)
        return TrainedRival(network, run, **about)


def hash_vae(vae: PetVAE) -> str:
    """sha256 of the weights in half precision, which is what a bundle keeps of them; 64 hex digits."""
    digest = hashlib.sha256()
    for _, tensor in sorted(vae.state_dict().items()):
        digest.update(tensor.half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
