"""`tumorgen insert`: inserts tumors in one PET volume."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.cli.outputs import add_outputs, check_outputs, write_variant
from TumorGenCore.console.arguments import add_insertion_options, asked_box, asked_seeds, tumor_request
from TumorGenCore.console.report import Report
from TumorGenCore.console.timing import Timing
from TumorGenCore.console.variants import say_variants

if TYPE_CHECKING:
    from TumorGenCore.insertion.variants import Variant
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "insert", "insert a tumor in a PET volume")
    parser.add_argument("pet", type=Path, metavar="PET", help="NIfTI, NRRD, MHA, or a folder with a DICOM PET series")
    add_insertion_options(parser)
    add_outputs(parser)
    parser.set_defaults(run=_insert)


def _insert(options: argparse.Namespace, report: Report) -> None:
    request, seeds = tumor_request(options), asked_seeds(options)
    from TumorGenCore.volumes.read import read_volume

    check_outputs(options.pet, options)
    box = asked_box(options)
    timing = Timing()
    with timing.part("read"):
        volume = read_volume(options.pet, options.suv_factor)
    with timing.part("load model"):
        from TumorGenCore.insertion.generator import TumorGenerator
        from TumorGenCore.insertion.variants import VariantRun, best_first

        generator = TumorGenerator.from_pretrained(options.model, options.device)
    with timing.part("insert"):
        prepared = generator.prepare(volume, box)
        for line in prepared.warnings:
            report.warn(line)
        run = VariantRun(
            generator, prepared, request, seeds, on_progress=report.progress, should_cancel=report.interrupted
        )
        variants = best_first(run)
        for variant in variants:
            for line in variant.warnings[len(prepared.warnings) :]:
                report.warn(f"seed {variant.seed}: {line}")
        if run.remark:
            report.warn(run.remark)
    redrawn = [{"seed": seed, "quality": quality.as_dict()} for seed, quality in run.redrawn]
    report.values = {"seconds": timing.seconds, "variants": [], "redrawn": redrawn}
    with timing.part("write"):
        for variant in variants:
            report.values["variants"].append(_written(variant, volume, options))
    say_variants(report)


def _written(variant: Variant, volume: PetVolume, options: argparse.Namespace) -> dict[str, Any]:
    """Writes the files of one variant and returns its description."""
    seed = variant.seed if options.variants > 1 else None
    asked = (options.output_image, options.output_mask, options.output_probability, options.preview)
    return write_variant(variant, volume, options.pet, [path and _with_seed(path, seed) for path in asked])


def _with_seed(path: Path, seed: int | None) -> Path:
    """Turns ``out.nrrd`` into ``out-seed7.nrrd``; without a seed, the path stays."""
    if seed is None:
        return path
    stem, dot, suffixes = path.name.partition(".")
    return path.with_name(f"{stem}-seed{seed}{dot}{suffixes}")
