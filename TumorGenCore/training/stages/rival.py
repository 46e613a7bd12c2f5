"""`tumorgen train rival`: trains by the method of another system, for `tumorgen compare`.

Examples, latents and loop are those of the generator, and so is the network of all but one, so that only the method
differs.

- ``diffusion`` (like DiffTumor): denoises z, given z^m, B and the mask.
- ``unconditional`` (like blended latent diffusion): the flow of [z, m] without z^m and B.
- ``whole-diffusion`` (like MedFusion): denoises [z, m] of a whole patch, without z^m and B.
- ``gan`` (like HA-GAN): makes image and mask of a whole patch in one pass; see ``gan``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from TumorGenCore.bundle.model_bundle import ModelBundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import channels_last, pick_device
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.config import RivalRun, read_config
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.run_files import RunFiles
from TumorGenCore.training.stages.gan_stage import GanStage
from TumorGenCore.training.stages.generator import begin_on_latents
from TumorGenCore.training.stages.rival_stages import (
    DiffusionStage,
    RivalStage,
    UnconditionalStage,
    WholeDiffusionStage,
)

__all__ = ["STAGES", "TrainedRival", "hash_vae", "load_rival", "train_rival"]

_FILES = RunFiles("rival")


@dataclass(frozen=True)
class TrainedRival:
    """A trained rival.

    Args:
        network: its network, of the ``network_kind`` of its stage.
        run: its settings.
        latent_mean, latent_deviation: one number per channel, to normalize latents.
        training_cases: names of its training cases.
        vae_hash: hash of the VAE that made its latents; see ``hash_vae``.
    """

    network: nn.Module
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


#: Stages by the kind of rival.
STAGES: dict[str, type[RivalStage]] = {
    "diffusion": DiffusionStage,
    "unconditional": UnconditionalStage,
    "whole-diffusion": WholeDiffusionStage,
    "gan": GanStage,
}


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
        "arguments": stage.arguments_of_network(),
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
        network = STAGES[kind].network_kind(**about.pop("arguments"))
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
