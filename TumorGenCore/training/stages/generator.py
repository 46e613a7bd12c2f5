"""`tumorgen train generator`: SC-VFE and VMR together (Eq. 7) on cached latents of a frozen VAE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState

from TumorGenCore.bundle.model_bundle import load_bundle, save_bundle
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.config import GeneratorRun, write_config
from TumorGenCore.training.data.cases import Case, load_cases, split_patients
from TumorGenCore.training.data.lesion_thumbnails import describe_training_lesions
from TumorGenCore.training.loop.checkpoint import refuse_to_mix
from TumorGenCore.training.loop.trainer import train
from TumorGenCore.training.stages.autoencoder import load_autoencoder
from TumorGenCore.training.stages.blur import measure_blur
from TumorGenCore.training.stages.generator_stage import GeneratorStage

__all__ = ["train_generator"]

_CONFIG = "generator.json"


def train_generator(
    data: Path,
    autoencoder: Path,
    output: Path,
    run: GeneratorRun,
    resume: bool = False,
    quiet: bool = False,
    name: str = "my-bundle",
    start_from: str | Path | None = None,
    cache: Path | None = None,
    cases: Sequence[Case] | None = None,
    stage_kind: type[GeneratorStage] = GeneratorStage,
) -> Path:
    """Train SC-VFE and VMR; writes the model bundle ``output/NAME``.

    Args:
        data: folder of cases.
        autoencoder: output folder of the VAE's run, or a model bundle.
        output: where the run lives.
        run: its settings.
        resume: go on from the newest checkpoint in ``output``.
        quiet: no progress bar.
        name: of the bundle.
        start_from: bundle whose vector field and mask refiner this run starts with. Its VAE should be the one that this
            run's was trained on from, or the latents mean something else.
        cache: folder of cached latents, ``output/cache`` by default; runs whose examples are the same may share one.
        cases: those of ``data``, where they have been read already.
        stage_kind: what is computed at each step.

    Raises:
        TrainingDataError: the folder, the autoencoder or the run's settings cannot be used.
        ModelBundleError: the bundle to start from is damaged.
    """
    if run.refiner_only and start_from is None:
        raise TrainingDataError("With refiner_only the vector field is not trained; give a bundle with --start-from.")
    refuse_to_mix(output, resume)
    first = None if start_from is None else load_bundle(start_from)
    output.mkdir(parents=True, exist_ok=True)
    vae, vae_run = load_autoencoder(autoencoder)
    vae.requires_grad_(False)
    if cases is None:
        cases = load_cases(data, run.data.names, run.data.exclude_lps_mm, run.data.patient_pattern)
    training, validation = split_patients(cases, run.data.validation_share, run.data.split_seed, run.data.always_train)
    write_config(run, output / _CONFIG)
    with PartialState().main_process_first():  # One process makes the cache, the others read it.
        stage = stage_kind(run, vae, vae_run, training, validation, cache or output / "cache", quiet)
    if first is not None:
        stage.start_from(first)
    network = train(stage, run.loop, output, resume, quiet)
    bundle = stage.bundle(network, name)
    bundle.resolution = measure_blur(bundle, training).recovery
    if run.lesion_thumbnails:
        bundle.training_lesions = describe_training_lesions(training)
    save_bundle(bundle, output / name, card=f"# {name}\n\nTrained by `tumorgen train generator`.\n")
    return output / name
