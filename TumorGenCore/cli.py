"""`tumorgen ...`: the command line.

Exit status: 0 done, 1 failed with one clear line, 2 wrong usage, 130 interrupted. torch is imported only by the
commands that compute.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from TumorGenCore.command_arguments import (
    add_least_quality,
    add_sampling,
    add_tumor_wishes,
    join_box,
    least_quality,
    positive_number,
    seed_number,
    uptake_target,
)
from TumorGenCore.errors import CancelledError, ModelBundleError, TumorGenError, with_remedy
from TumorGenCore.interrupts import StopRequest, remembered_interrupts

__all__ = ["main"]

_DONE, _FAILED, _INTERRUPTED = 0, 1, 130
_FACTOR_REMEDY = "The option is --suv-factor."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(join_box(sys.argv[1:] if arguments is None else arguments))
    with remembered_interrupts() as interrupted, warnings.catch_warnings():
        report = _Report(options.quiet, options.json, interrupted)
        warnings.showwarning = lambda message, *_, **__: report.warn(with_remedy(message, _FACTOR_REMEDY))
        try:
            options.run(options, report)
        except (KeyboardInterrupt, CancelledError) as stop:
            report.error(f"Interrupted. {stop}".strip())
            return _INTERRUPTED
        except (TumorGenError, OSError, ValueError) as error:
            report.error(with_remedy(error, _FACTOR_REMEDY))
            return _FAILED
        except ModuleNotFoundError as error:
            report.error(f"This command needs {error.name}, which is not installed; pip install 'tumorgen[train]'.")
            return _FAILED
    report.finish()
    return _DONE


class _Report:
    """What the user sees: lines on stdout, warnings and errors on stderr, or one JSON object for machines."""

    def __init__(self, quiet: bool, as_json: bool, interrupted: StopRequest) -> None:
        self.quiet, self.as_json, self.interrupted = quiet, as_json, interrupted
        self.values: dict[str, Any] = {}
        self._warnings: list[str] = []

    @property
    def shows_progress(self) -> bool:
        return not self.quiet and not self.as_json

    def say(self, line: str) -> None:
        if self.shows_progress:
            print(line, flush=True)

    def tell(self, line: str) -> None:
        """Say how far the work is; between its steps, hence where it can stop."""
        self.interrupted.stop()
        self.say(line)

    def warn(self, line: str) -> None:
        self._warnings.append(line)
        if not self.as_json:
            print(f"Warning: {line}", file=sys.stderr)

    def error(self, line: str) -> None:
        line = " ".join(line.split())
        if self.as_json:
            print(json.dumps({**self.values, "error": line, "warnings": self._warnings}))
        else:
            print(f"tumorgen: {line}", file=sys.stderr)

    def finish(self) -> None:
        if self.as_json:
            print(json.dumps({**self.values, "warnings": self._warnings}))


def _insert(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.insertion.candidates import best_candidates
    from TumorGenCore.insertion.pictures import save_preview
    from TumorGenCore.volumes.dicom_seg import DICOM_SEG_SUFFIX, write_dicom_seg
    from TumorGenCore.volumes.volume_io import parse_box, read_box, read_volume, write_segmentation, write_volume

    outputs = [options.output_image, options.output_mask, options.output_probability]
    as_dicom = options.output_mask.suffix.lower() == DICOM_SEG_SUFFIX
    _check_outputs(options.pet, outputs, options.preview, options.output_mask if as_dicom else None)
    box = read_box(options.roi) if options.roi else parse_box(options.box, options.frame)
    target = uptake_target(options)
    clock = time.perf_counter()
    volume = read_volume(options.pet, options.suv_factor)
    seconds = {"read": time.perf_counter() - clock}
    clock = time.perf_counter()
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    seconds["load model"] = time.perf_counter() - clock
    clock = time.perf_counter()
    prepared = generator.prepare(volume, box)
    for line in prepared.warnings:
        report.warn(line)
    with _progress(report) as show:
        best = best_candidates(
            generator,
            prepared,
            range(options.seed, options.seed + options.variants),
            least_quality=least_quality(options),
            steps=options.steps,
            solver=options.solver,
            target=target,
            fill=options.fill,
            on_progress=show,
            should_cancel=report.interrupted,
        )
    for candidate in best.kept:
        for line in candidate.made.warnings[len(prepared.warnings) :]:
            report.warn(f"seed {candidate.seed}: {line}")
    for line in best.remarks:
        report.warn(line)
    seconds["insert"] = time.perf_counter() - clock
    clock = time.perf_counter()
    redrawn = [{"seed": seed, "quality": quality.as_dict()} for seed, quality in best.redrawn]
    report.values = {"seconds": seconds, "variants": [], "redrawn": redrawn}
    for seed, result in ((candidate.seed, candidate.made) for candidate in best.kept):
        image, mask, probability, preview = (
            _variant_path(path, seed, options.variants) for path in (*outputs, options.preview)
        )
        if image:
            write_volume(result.image, image, result.provenance)
        if mask and as_dicom:
            write_dicom_seg(result.mask, options.pet, mask, result.provenance)
        elif mask:
            write_segmentation(result.mask, mask, provenance=result.provenance)
        if probability:
            write_volume(result.mask_probability, probability, result.provenance)
        if preview:
            factor = volume.units.suv_factor
            save_preview(volume.image, result.image, result.mask, box, preview, factor, title=f"seed {seed}")
        report.values["variants"].append(_describe(seed, result, volume, (image, mask, probability, preview)))
    seconds["write"] = time.perf_counter() - clock
    _print_insertions(report)


def _check_outputs(
    pet: Path, outputs: Sequence[Path | None], preview: Path | None, dicom_seg: Path | None = None
) -> None:
    """Refuse before any work what could not be written after it, or would overwrite the scan or another output."""
    from TumorGenCore.volumes.dicom_seg import check_dicom_seg
    from TumorGenCore.volumes.volume_io import check_writable

    taken = {pet.resolve()}
    for path in filter(None, (*outputs, preview)):
        if path is dicom_seg:
            check_dicom_seg(path, pet)
        elif path is not preview:
            check_writable(path)
        elif path.suffix.lower() != ".png":
            raise ValueError(f"The preview {path.name} must end in .png.")
        elif not path.parent.is_dir():
            raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to; create it first.")
        if path.resolve() in taken:
            raise ValueError(f"{path} is the input or given for two outputs; give each a file of its own.")
        taken.add(path.resolve())


def _describe(seed: int, result: Any, volume: Any, files: Sequence[Path | None]) -> dict[str, Any]:
    """The figures of one variant, for people and machines."""
    from TumorGenCore.lesions.measures import measure_images

    measures = dataclasses.asdict(measure_images(result.image, result.mask, volume.units.suv_factor))
    return {
        "seed": seed,
        **{name: None if math.isnan(value) else round(value, 3) for name, value in measures.items()},
        "quality": result.quality.as_dict(),
        "parts": result.seconds,
        "files": [str(path) for path in files if path],
    }


def _print_insertions(report: _Report) -> None:
    for variant in report.values["variants"]:
        size = f"{variant['volume_ml']:.1f} ml"
        uptake = ""
        if variant["suv_max"] is not None:
            uptake = (
                f", SUVmax {variant['suv_max']:.1f}, peak {variant['suv_peak']:.1f}, mean {variant['suv_mean']:.1f}, "
                f"MTV {variant['mtv_ml']:.1f} ml, TLG {variant['tlg']:.0f} g"
            )
        report.say(f"Synthetic tumor, seed {variant['seed']}: {size}{uptake}")
        report.say(f"  {_quality_line(variant['quality'])}")
        report.say("  " + ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in variant["parts"].items()))
        for path in variant["files"]:
            report.say(f"  {path}")
    report.say("Time: " + ", ".join(f"{name} {value:.2f} s" for name, value in report.values["seconds"].items()))
    report.say("Synthetic, not for diagnosis.")


def _quality_line(quality: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {'-' if part is None else f'{part:.2f}'}" for name, part in quality["parts"].items())
    return " ".join([f"Quality {quality['total']:.2f} ({parts}).", *quality["reasons"], *quality["left_out"]])


@contextmanager
def _progress(report: _Report) -> Iterator[Any]:
    """A bar on a terminal; elsewhere None, since the run ends before a second line would be useful."""
    bar = _bar(report, "insert", "step")
    if bar is None:
        yield None
        return

    def show(done: int, steps: int, doing: str) -> None:
        bar.total = steps
        bar.update(done - bar.n)

    with bar:
        yield show


def _bar(report: _Report, doing: str, unit: str, total: int | None = None) -> Any:
    """A progress bar, or None where nobody would see it move."""
    if not report.shows_progress or not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm(desc=doing, total=total, leave=False, unit=unit)


def _variant_path(path: Path | None, seed: int, variants: int) -> Path | None:
    """``out.nrrd`` becomes ``out-seed7.nrrd`` where several variants are made."""
    if path is None or variants == 1:
        return path
    stem, dot, suffixes = path.name.partition(".")
    return path.with_name(f"{stem}-seed{seed}{dot}{suffixes}")


def _synthesize(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.cohort.manifest import read_manifest
    from TumorGenCore.cohort.runner import CASES_FILE, Outcome, check_output_folder, synthesize

    rows = read_manifest(options.manifest)
    check_output_folder(options.output, options.resume)
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    report.values = {"made": 0, "kept": 0, "failed": []}
    total = sum(len(row.seeds) for row in rows)
    bar = _bar(report, "synthesize", "case", total)
    told: set[str] = set()

    def tell(outcome: Outcome) -> None:
        stems = [f"{outcome.name}_{seed}" for seed in outcome.seeds]
        if outcome.record is None:
            report.values["failed"] += stems
            report.warn(f"{stems[0]}{f' to {stems[-1]}' * (len(stems) > 1)}: left out. {outcome.reason}")
        else:
            report.values["kept" if outcome.kept else "made"] += 1
        for line in outcome.warnings:
            if line not in told:  # thousands of scans without units are worth one line; the table has them all
                told.add(line)
                report.warn(f"{stems[0]}: {line}")
        if bar is not None:
            bar.update(len(stems))
        elif outcome.record is not None:
            done = report.values["made"] + report.values["kept"] + len(report.values["failed"])
            made = outcome.record
            figures = f"{made['volume_ml']} ml, SUVmax {made['suv_max'] or '-'}, quality {made['quality']}"
            report.say(f"{done}/{total} {stems[0]}: {'kept' if outcome.kept else figures}")
        report.interrupted.stop()

    try:
        synthesize(
            generator,
            rows,
            options.output,
            steps=options.steps,
            least_quality=options.least_quality,
            resume=options.resume,
            on_outcome=tell,
        )
    finally:
        if bar is not None:
            bar.close()
    report.say(
        f"{report.values['made']} made, {report.values['kept']} kept from before: {options.output / CASES_FILE}. "
        "Synthetic, not for diagnosis."
    )
    if report.values["failed"]:
        raise TumorGenError(
            f"{len(report.values['failed'])} of {total} results failed; the warnings say why. Mend the manifest or the "
            "scans, and go on with --resume."
        )


def _training_job(options: argparse.Namespace, report: _Report) -> Any:
    from TumorGenCore.training.loop.job import TrainingJob

    stages_own = {name: getattr(options, name) for name in ("start_from", "cache") if hasattr(options, name)}
    return TrainingJob(options.data, options.output, options.resume, not report.shows_progress, **stages_own)


def _train_autoencoder(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.training.config import AutoencoderRun
    from TumorGenCore.training.stages.autoencoder import train_autoencoder

    run = _run_settings(AutoencoderRun, options)
    weights = train_autoencoder(_training_job(options, report), run)
    report.values = {"autoencoder": str(weights)}
    report.say(f"Trained autoencoder: {weights}")


def _train_generator(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.training.config import GeneratorRun
    from TumorGenCore.training.stages.generator import train_generator

    run = _run_settings(GeneratorRun, options)
    folder = train_generator(_training_job(options, report), options.autoencoder, run, options.name)
    report.values = {"bundle": str(folder)}
    report.say(f"Trained bundle: {folder}")


def _add_lesions(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.training.data.lesion_thumbnails import add_lesions_to_bundle

    count = add_lesions_to_bundle(options.model, options.data)
    report.values = {"lesions": count}
    report.say(f"Thumbnails of {count} training lesions are in {options.model}.")


def _measure_resolution(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.training.stages.blur import add_recovery_to_bundle

    blur = add_recovery_to_bundle(options.model, options.data)
    report.values = blur.as_dict()
    for line in blur.lines():
        report.say(line)


def _train_segmenter(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.training.config import SegmenterRun
    from TumorGenCore.training.stages.segmenter import train_segmenter

    run = _run_settings(SegmenterRun, options)
    weights = train_segmenter(_training_job(options, report), run)
    report.values = {"segmenter": str(weights)}
    report.say(f"Trained segmenter: {weights}")


def _train_rival(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.training.config import RivalRun
    from TumorGenCore.training.stages.rival import train_rival

    run = dataclasses.replace(_run_settings(RivalRun, options), kind=options.kind)
    weights = train_rival(_training_job(options, report), options.autoencoder, run)
    report.values = {"rival": str(weights)}
    report.say(f"Trained rival: {weights}")


def _run_settings(kind: type, options: argparse.Namespace, default: Path | None = None) -> Any:
    """The configuration file, else the one a resumed run left, else the defaults; --steps overrides."""
    from TumorGenCore.training.config import read_config

    left = options.output / f"{options.stage}.json"
    config = options.config or (left if options.resume and left.is_file() else default)
    run = read_config(kind, config) if config else kind()
    if options.steps is not None:
        run = dataclasses.replace(run, loop=dataclasses.replace(run.loop, steps=options.steps))
    return run


def _evaluate(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.evaluation.report import evaluate
    from TumorGenCore.insertion.generator import TumorGenerator

    generator = TumorGenerator.from_pretrained(options.model, options.device)
    segmenter = None
    if options.segmenter:
        from TumorGenCore.training.stages.segmenter import load_segmenter

        segmenter = load_segmenter(options.segmenter, options.device)
    names = options.cases.split(",") if options.cases else None
    result = evaluate(
        generator,
        options.data,
        options.output,
        names,
        options.seeds,
        options.steps,
        report.tell,
        options.field_statistics,
        segmenter,
        options.inception,
    )
    report.values = result["means"]
    report.say((options.output / "report.md").read_text())


def _compare(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.evaluation.studies.comparison import compare
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.training.stages.rival import load_rival
    from TumorGenCore.training.stages.segmenter import load_segmenter

    folders = {"diffusion": options.diffusion, "unconditional": options.unconditional}
    trained = [load_rival(folder, kind, options.device) for kind, folder in folders.items() if folder]
    segmenter = load_segmenter(options.segmenter, options.device)
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    result = compare(generator, options.data, options.output, segmenter, trained, options.seeds, report.tell)
    report.values = {"seconds": result["seconds"], "report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())


def _ablate(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.evaluation.studies.ablation import ablate
    from TumorGenCore.training.config import GeneratorRun, default_config
    from TumorGenCore.training.stages.segmenter import load_segmenter

    run = _run_settings(GeneratorRun, options, default_config(options.stage))
    result = ablate(
        options.data,
        options.autoencoder,
        load_segmenter(options.segmenter, options.device),
        options.output,
        run,
        options.only.split(",") if options.only else None,
        options.resume,
        options.seeds,
        options.device,
        report.tell,
        not report.shows_progress,
    )
    report.values = {"variants": list(result["variants"]), "report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())


def _usefulness(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.evaluation.studies.usefulness import UsefulnessRun, usefulness
    from TumorGenCore.insertion.generator import TumorGenerator
    from TumorGenCore.training.config import default_config, read_config

    left = options.output / f"{options.stage}.json"
    settled = left if options.resume and left.is_file() else default_config(options.stage)
    run = read_config(UsefulnessRun, options.config or settled)
    asked = {name: getattr(options, name) for name in ("seeds", "patients") if getattr(options, name) is not None}
    run = dataclasses.replace(run, **asked)
    if options.steps is not None:
        loop = dataclasses.replace(run.segmenter.loop, steps=options.steps)
        run = dataclasses.replace(run, segmenter=dataclasses.replace(run.segmenter, loop=loop))
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    quiet = not report.shows_progress
    usefulness(generator, options.data, options.output, run, options.resume, report.tell, quiet)
    report.values = {"report": str(options.output / "report.json")}
    report.say((options.output / "report.md").read_text())


def _models(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.bundle.model_bundle import installed_bundles, load_bundle

    report.values = {"models": []}
    for folder in installed_bundles():
        try:
            bundle = load_bundle(folder)
        except ModelBundleError as error:
            report.warn(str(error))
            continue
        card = folder / "docs" / "README.md"
        entry = {"name": bundle.name, "version": bundle.version, "sha256": bundle.weights_hash, "card": str(card)}
        report.values["models"].append({**entry, "sampling": bundle.sampling.as_dict()})
        sampled = f"{bundle.sampling.steps} {bundle.sampling.solver} steps"
        report.say(f"{bundle.name} {bundle.version}  {sampled}  sha256 {bundle.weights_hash[:16]}  {card}")
    if not report.values["models"]:
        report.say("No model bundle is installed; make one with `tumorgen train`.")


def _phantom(options: argparse.Namespace, report: _Report) -> None:
    from TumorGenCore.phantom.phantom import make_phantom, phantom_box
    from TumorGenCore.volumes.volume_io import check_writable, write_box, write_volume

    check_writable(options.output)
    box = phantom_box(options.site)
    write_volume(make_phantom(options.seed), options.output)
    report.values = {"phantom": str(options.output)}
    report.say(f"Digital FDG phantom (synthetic): {options.output}")
    if options.roi:
        write_box(box, options.roi)
        report.values["roi"] = str(options.roi)
        report.say(f"Box in the {options.site}: {options.roi}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tumorgen",
        description="Synthetic tumors with masks in FDG-PET, from a rough box. Research use, not for diagnosis.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--quiet", action="store_true", help="print nothing but warnings and errors")
    common.add_argument("--json", action="store_true", help="print one JSON object, for machines")

    insert = commands.add_parser("insert", parents=[common], help="insert a tumor in a PET volume")
    insert.add_argument("pet", type=Path, metavar="PET", help="NIfTI, NRRD, MHA, or a folder with a DICOM PET series")
    where = insert.add_mutually_exclusive_group(required=True)
    where.add_argument("--box", metavar="CX,CY,CZ,SX,SY,SZ", help="center and edge lengths, mm")
    where.add_argument("--roi", type=Path, metavar="ROI.mrk.json", help="an ROI saved by 3D Slicer")
    insert.add_argument("--frame", choices=("ras", "lps"), default="ras", help="frame of --box (default: ras)")
    insert.add_argument("--seed", type=seed_number, default=0, help="the same seed gives the same tumor (default: 0)")
    add_sampling(insert)
    insert.add_argument(
        "--variants", type=positive_number, default=1, help="how many, the best first; seeds count up from --seed"
    )
    add_least_quality(insert)
    insert.add_argument("--model", default=_default_bundle(), help="bundle name or folder (default: %(default)s)")
    insert.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    insert.add_argument("--suv-factor", type=float, metavar="F", help="SUV per unit of the image")
    add_tumor_wishes(insert)
    insert.add_argument("--output-image", type=Path, required=True, metavar="OUT.nrrd")
    insert.add_argument(
        "--output-mask", type=Path, required=True, metavar="OUT.seg.nrrd", help="OUT.dcm: DICOM SEG, of a DICOM PET"
    )
    insert.add_argument("--output-probability", type=Path, metavar="OUT.nrrd", help="the soft mask")
    insert.add_argument("--preview", type=Path, metavar="OUT.png", help="three planes, before and after")
    insert.set_defaults(run=_insert)

    synthesis = commands.add_parser(
        "synthesize", parents=[common], help="make a training set from a table of scans (see the README)"
    )
    synthesis.add_argument("manifest", type=Path, metavar="MANIFEST.csv", help="a row per scan")
    synthesis.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the results")
    synthesis.add_argument("--resume", action="store_true", help="keep what is complete in --output, and go on")
    add_least_quality(synthesis, "none")
    synthesis.add_argument("--steps", type=positive_number, help="sampling steps (default: the model's own)")
    synthesis.add_argument("--model", default=_default_bundle(), help="bundle name or folder (default: %(default)s)")
    synthesis.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    synthesis.set_defaults(run=_synthesize)

    train = commands.add_parser("train", help="train your own bundle").add_subparsers(required=True, metavar="STAGE")
    training = argparse.ArgumentParser(add_help=False, parents=[common])
    training.add_argument("--data", type=Path, required=True, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV)")
    training.add_argument("--output", type=Path, required=True, help="folder of the run")
    training.add_argument("--config", type=Path, help="JSON with the run's settings; see Resources/Training")
    training.add_argument("--steps", type=positive_number, help="optimizer steps, overriding the configuration")
    training.add_argument("--resume", action="store_true", help="continue from the newest checkpoint in --output")
    autoencoder = train.add_parser("autoencoder", parents=[training], help="first: the 3D VAE")
    autoencoder.add_argument(
        "--start-from", type=Path, metavar="DIR", help="output folder of an earlier run to go on from"
    )
    autoencoder.set_defaults(run=_train_autoencoder, stage="autoencoder")
    on_latents = argparse.ArgumentParser(add_help=False)
    on_latents.add_argument(
        "--autoencoder", type=Path, required=True, help="output folder of `train autoencoder`, or a model bundle"
    )
    on_latents.add_argument(
        "--cache", type=Path, metavar="DIR", help="cached latents of a run with the same data, autoencoder and examples"
    )
    generator = train.add_parser(
        "generator", parents=[training, on_latents], help="then: vector field and mask refiner"
    )
    generator.add_argument("--start-from", metavar="BUNDLE", help="bundle whose networks to go on from")
    generator.add_argument("--name", default="my-bundle", help="name of the bundle that is written")
    generator.set_defaults(run=_train_generator, stage="generator")

    lesions = train.add_parser(
        "lesions", parents=[common], help="put thumbnails of its training lesions into a bundle that lacks them"
    )
    lesions.add_argument("--data", type=Path, required=True, help="folder with the cases it was trained on")
    lesions.add_argument("--model", required=True, help="bundle name or folder")
    lesions.set_defaults(run=_add_lesions)

    resolution = train.add_parser(
        "resolution",
        parents=[common],
        help="measure what a bundle's VAE blurs of tumors, and let the bundle restore it",
    )
    resolution.add_argument("--data", type=Path, required=True, help="folder with the cases it was trained on")
    resolution.add_argument("--model", required=True, help="bundle name or folder")
    resolution.set_defaults(run=_measure_resolution)

    segmenter = train.add_parser("segmenter", parents=[training], help="the judge of `evaluate`: real tumors only")
    segmenter.set_defaults(run=_train_segmenter, stage="segmenter")

    rival = train.add_parser(
        "rival", parents=[training, on_latents], help="another method on the same backbone, for `compare`"
    )
    rival.add_argument("--kind", choices=("diffusion", "unconditional"), required=True)
    rival.set_defaults(run=_train_rival, stage="rival")

    evaluate = commands.add_parser("evaluate", parents=[common], help="figures and pictures on held-out patients")
    evaluate.add_argument("--data", type=Path, required=True, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV)")
    evaluate.add_argument("--output", type=Path, required=True, help="folder of the report")
    evaluate.add_argument("--cases", metavar="A,B,...", help="cases (default: those the bundle held out)")
    evaluate.add_argument("--model", default=_default_bundle(), help="bundle name or folder (default: %(default)s)")
    evaluate.add_argument("--device", default="auto")
    evaluate.add_argument("--seeds", type=positive_number, default=3, help="seeds per site (default: 3)")
    evaluate.add_argument("--steps", type=positive_number, help="sampling steps (default: the model's own)")
    evaluate.add_argument(
        "--field-statistics",
        type=Path,
        metavar="FILE",
        help="JSON of lesion quantiles of large data sets, shown beside",
    )
    evaluate.add_argument(
        "--segmenter", type=Path, metavar="DIR", help="output folder of `train segmenter`, to judge the masks"
    )
    evaluate.add_argument(
        "--inception",
        type=Path,
        metavar="FILE",
        help="Inception's weights (TorchScript): a distance of FID's features too",
    )
    evaluate.set_defaults(run=_evaluate)

    compare = commands.add_parser("compare", parents=[common], help="the bundle beside other methods, in one run")
    compare.add_argument("--data", type=Path, required=True, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV)")
    compare.add_argument("--model", default=_default_bundle(), help="bundle name or folder (default: %(default)s)")
    compare.add_argument("--segmenter", type=Path, required=True, metavar="DIR", help="output of `train segmenter`")
    compare.add_argument("--diffusion", type=Path, metavar="DIR", help="output of `train rival --kind diffusion`")
    compare.add_argument("--unconditional", type=Path, metavar="DIR", help="of `train rival --kind unconditional`")
    compare.add_argument("--output", type=Path, required=True, help="folder of the report")
    compare.add_argument("--seeds", type=positive_number, default=3, help="seeds per site (default: 3)")
    compare.add_argument("--device", default="auto")
    compare.set_defaults(run=_compare)

    ablate = commands.add_parser(
        "ablate", parents=[common], help="short generator runs that differ in one thing each, trained and compared"
    )
    ablate.add_argument("--data", type=Path, required=True, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV)")
    ablate.add_argument(
        "--autoencoder", type=Path, required=True, help="output folder of `train autoencoder`, or a model bundle"
    )
    ablate.add_argument("--segmenter", type=Path, required=True, metavar="DIR", help="output of `train segmenter`")
    ablate.add_argument("--output", type=Path, required=True, help="folder of the runs and the report")
    ablate.add_argument("--config", type=Path, help="JSON of a generator's settings (default: Resources/Training)")
    ablate.add_argument("--steps", type=positive_number, help="optimizer steps, overriding the configuration")
    ablate.add_argument("--only", metavar="NAME,...", help="these variants only (see the README)")
    ablate.add_argument("--resume", action="store_true", help="go on with the run in --output")
    ablate.add_argument("--seeds", type=positive_number, default=3, help="seeds per site (default: 3)")
    ablate.add_argument("--device", default="auto")
    ablate.set_defaults(run=_ablate, stage="ablation")

    usefulness = commands.add_parser(
        "usefulness", parents=[common], help="segmenters with few real patients, without and with synthetic tumors"
    )
    usefulness.add_argument("--data", type=Path, required=True, help="folder with the bundle's cases, as for `train`")
    usefulness.add_argument("--model", default=_default_bundle(), help="bundle name or folder (default: %(default)s)")
    usefulness.add_argument("--output", type=Path, required=True, help="folder of the runs and the report")
    usefulness.add_argument("--config", type=Path, help="JSON of all settings (default: Resources/Training)")
    usefulness.add_argument("--seeds", type=positive_number, help="segmenters an arm, overriding the configuration")
    usefulness.add_argument("--patients", type=positive_number, help="how many real patients the few are")
    usefulness.add_argument("--steps", type=positive_number, help="optimizer steps of each segmenter")
    usefulness.add_argument("--resume", action="store_true", help="go on with the run in --output")
    usefulness.add_argument("--device", default="auto")
    usefulness.set_defaults(run=_usefulness, stage="usefulness")

    models = commands.add_parser("models", parents=[common], help="list installed bundles")
    models.set_defaults(run=_models)

    phantom = commands.add_parser("phantom", parents=[common], help="make a digital whole-body FDG phantom")
    phantom.add_argument("output", type=Path, metavar="OUT.nii.gz")
    phantom.add_argument("--seed", type=seed_number, default=0)
    phantom.add_argument("--roi", type=Path, metavar="ROI.mrk.json", help="also write a box in healthy tissue")
    phantom.add_argument("--site", default="liver", help="where that box goes (default: liver)")
    phantom.set_defaults(run=_phantom)
    return parser


def _default_bundle() -> str:
    return os.environ.get("TUMORGEN_MODEL", "pet-fdg-v2")


if __name__ == "__main__":
    sys.exit(main())
