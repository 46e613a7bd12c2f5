"""`tumorgen train generator`: trains SC-VFE and VMR together (Eq. 7) on cached latents of a frozen VAE."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from accelerate import PartialState

from TumorGenCore.bundle.model_bundle import load_bundle, save_bundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.config import GeneratorRun
from TumorGenCore.training.data.lesion_thumbnails import describe_training_lesions
from TumorGenCore.training.data.shape_library import load_shapes
from TumorGenCore.training.loop.job import TrainingJob
from TumorGenCore.training.loop.run_files import RunFiles
from TumorGenCore.training.stages.autoencoder import load_autoencoder
from TumorGenCore.training.stages.generator_stage import GeneratorStage

__all__ = ["begin_on_latents", "train_generator"]

_FILES = RunFiles("generator")

AnyStage = TypeVar("AnyStage", bound=GeneratorStage)


def begin_on_latents(
    kind: type[AnyStage], job: TrainingJob, autoencoder: Path, run: GeneratorRun, files: RunFiles
) -> AnyStage:
    """Returns a stage that is ready to train on the latents of a frozen VAE; reads or makes these latents.

    Args:
        kind: class of the stage.
        job: the run.
        autoencoder: output folder of the VAE's run, or a model bundle.
        run: settings.
        files: file names of the stage.

    Raises:
        TrainingDataError: the folder, the autoencoder or the settings are unusable.
        ModelBundleError: the autoencoder is a damaged bundle.
    """
    vae, vae_run = load_autoencoder(autoencoder)
    vae.requires_grad_(False)
    training, validation = job.begin(run, files)
    shapes = load_shapes(job.data / run.data.shapes, "training") if run.data.shapes else []
    with PartialState().main_process_first():  # One process makes the cache, the others read it.
        return kind(run, vae, vae_run, training, validation, job.latents, job.quiet, shapes)


def train_generator(
    job: TrainingJob,
    autoencoder: Path,
    run: GeneratorRun,
    name: str = "my-bundle",
    stage_kind: type[GeneratorStage] = GeneratorStage,
) -> Path:
    """Trains SC-VFE and VMR; writes a model bundle into the job's output folder.

    Args:
        job: the run; ``start_from`` is a bundle, whose vector field and mask refiner are taken over. The VAE of this
            run should be the bundle's VAE or trained on from it; otherwise the latents differ in meaning.
        autoencoder: output folder of the VAE's run, or a model bundle.
        run: settings.
        name: name of the new bundle.
        stage_kind: class of the stage, which computes each step.

    Returns:
        Folder of the bundle, ``output/NAME``.

    Raises:
        TrainingDataError: the folder, the autoencoder or the settings are unusable.
        ModelBundleError: the bundle to start from is damaged.
    """
    if run.refiner_only and job.start_from is None:
        raise TrainingDataError("refiner_only does not train the vector field; give a bundle with --start-from.")
    first = None if job.start_from is None else load_bundle(job.start_from)
    stage = begin_on_latents(stage_kind, job, autoencoder, run, _FILES)
    if first is not None:
        stage.start_from(first)
    bundle = stage.bundle(job.train(stage, run.loop), name)
    if run.lesion_thumbnails:
        bundle.training_lesions = describe_training_lesions(stage.training)
    save_bundle(bundle, job.output / name, card=f"# {name}\n\nTrained by `tumorgen train generator`.\n")
    return job.output / name
