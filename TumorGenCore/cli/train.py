"""`tumorgen train`: runs the training stages of a model bundle."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cli.options import Commands, add_autoencoder, add_data, new_command, run_settings
from TumorGenCore.console.arguments import positive_number
from TumorGenCore.console.report import Report

if TYPE_CHECKING:
    from TumorGenCore.training.loop.job import TrainingJob

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = commands.add_parser("train", help="train your own model bundle")
    stages = parser.add_subparsers(required=True, metavar="STAGE")
    for add_stage in (_add_autoencoder, _add_generator, _add_lesions, _add_segmenter, _add_rival):
        add_stage(stages)


def _new_training(stages: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    """Returns the parser of a stage that trains a network."""
    parser = new_command(stages, name, summary)
    add_data(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder for the run")
    parser.add_argument("--config", type=Path, help="JSON file with the settings of the run; see Resources/Training")
    parser.add_argument("--steps", type=positive_number, help="optimizer steps, instead of those in the configuration")
    parser.add_argument("--resume", action="store_true", help="continue from the newest checkpoint in --output")
    return parser


def _add_latents(parser: argparse.ArgumentParser) -> None:
    """Adds the options of stages that train on latents."""
    add_autoencoder(parser)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="cached latents of a run with the same data, autoencoder and examples"
    )


def _add_autoencoder(stages: Commands) -> None:
    parser = _new_training(stages, "autoencoder", "first stage: train the 3D VAE")
    parser.add_argument("--start-from", type=Path, metavar="DIR", help="output folder of an earlier run to start from")
    parser.set_defaults(run=_train_autoencoder, stage="autoencoder")


def _train_autoencoder(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.training.config import AutoencoderRun
    from TumorGenCore.training.stages.autoencoder import train_autoencoder

    run = run_settings(AutoencoderRun, options)
    weights = train_autoencoder(_job(options, report), run)
    report.values = {"autoencoder": str(weights)}
    report.say(f"Trained autoencoder: {weights}")


def _add_generator(stages: Commands) -> None:
    parser = _new_training(stages, "generator", "second stage: train vector field and mask refiner")
    _add_latents(parser)
    parser.add_argument("--start-from", metavar="BUNDLE", help="bundle with the networks to start from")
    parser.add_argument("--name", default="my-bundle", help="name of the new bundle")
    parser.set_defaults(run=_train_generator, stage="generator")


def _train_generator(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.training.config import GeneratorRun
    from TumorGenCore.training.stages.generator import train_generator

    run = run_settings(GeneratorRun, options)
    folder = train_generator(_job(options, report), options.autoencoder, run, options.name)
    report.values = {"bundle": str(folder)}
    report.say(f"Trained bundle: {folder}")


def _add_to_bundle(stages: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    """Returns the parser of a stage that adds something to a finished bundle."""
    parser = new_command(stages, name, summary)
    add_data(parser, "the cases that the bundle was trained on")
    parser.add_argument("--model", required=True, help="name or folder of the bundle")
    return parser


def _add_lesions(stages: Commands) -> None:
    summary = "add thumbnails and traits of the training lesions to a bundle, or make them again"
    _add_to_bundle(stages, "lesions", summary).set_defaults(run=_describe_lesions)


def _describe_lesions(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.training.data.lesion_thumbnails import add_lesions_to_bundle

    count = add_lesions_to_bundle(options.model, options.data)
    report.values = {"lesions": count}
    report.say(f"Added thumbnails and traits of {count} training lesions to {options.model}.")


def _add_segmenter(stages: Commands) -> None:
    parser = _new_training(stages, "segmenter", "train the segmenter for `evaluate` on real tumors only")
    parser.set_defaults(run=_train_segmenter, stage="segmenter")


def _train_segmenter(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.training.config import SegmenterRun
    from TumorGenCore.training.stages.segmenter import train_segmenter

    run = run_settings(SegmenterRun, options)
    weights = train_segmenter(_job(options, report), run)
    report.values = {"segmenter": str(weights)}
    report.say(f"Trained segmenter: {weights}")


def _add_rival(stages: Commands) -> None:
    parser = _new_training(stages, "rival", "train another method on the same examples, for `compare`")
    _add_latents(parser)
    kinds = ("diffusion", "unconditional", "whole-diffusion", "gan")
    parser.add_argument("--kind", choices=kinds, required=True)
    parser.set_defaults(run=_train_rival, stage="rival")


def _train_rival(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.training.config import RivalRun
    from TumorGenCore.training.stages.rival import train_rival

    run = dataclasses.replace(run_settings(RivalRun, options), kind=options.kind)
    weights = train_rival(_job(options, report), options.autoencoder, run)
    report.values = {"rival": str(weights)}
    report.say(f"Trained rival: {weights}")


def _job(options: argparse.Namespace, report: Report) -> TrainingJob:
    """Returns the folders and start of a stage; not every stage has all of these options."""
    from TumorGenCore.training.loop.job import TrainingJob

    own = {name: getattr(options, name) for name in ("start_from", "cache") if hasattr(options, name)}
    return TrainingJob(options.data, options.output, options.resume, not report.shows_progress, **own)
