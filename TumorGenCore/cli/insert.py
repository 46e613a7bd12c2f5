"""`tumorgen insert`: inserts tumors in one PET volume."""

from __future__ import annotations

import argparse
from pathlib import Path

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.cli.outputs import Outputs, add_outputs
from TumorGenCore.console.arguments import (
    add_insertion_options,
    asked_box,
    asked_organ,
    asked_reference,
    asked_seeds,
    tumor_request,
)
from TumorGenCore.console.report import Report
from TumorGenCore.console.timing import Timing
from TumorGenCore.console.variants import say_variants

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "insert", "insert a tumor in a PET volume")
    parser.add_argument("pet", type=Path, metavar="PET", help="NIfTI, NRRD, MHA, or a folder with a DICOM PET series")
    add_insertion_options(parser)
    add_outputs(parser)
    parser.set_defaults(run=_insert)


def _insert(options: argparse.Namespace, report: Report) -> None:
    request, reference, seeds = tumor_request(options), asked_reference(options), asked_seeds(options)
    organ = asked_organ(options)
    from TumorGenCore.volumes.read import read_volume

    read = (options.roi, options.labels, reference.file if reference else None)
    outputs = Outputs.of(options, *read, has_seeds=options.variants > 1)
    outputs.check(seeds)
    boxes = [] if organ else [asked_box(options)]
    timing = Timing()
    with timing.part("read"):
        volume = read_volume(options.pet, options.suv_factor)
        if reference is not None:
            request = reference.asked(request, volume)
    if organ is not None:
        with timing.part("place"):
            boxes = organ.boxes(volume, request, options.seed)
        report.say(f"Boxes in {organ.name}: {len(boxes)}")
    outputs.check_space(volume, len(seeds))
    for line in outputs.more.warnings(volume):
        report.warn(line)
    with timing.part("load model"):
        from TumorGenCore.insertion.generator import TumorGenerator
        from TumorGenCore.insertion.variants import VariantRun, best_first

        generator = TumorGenerator.from_pretrained(options.model, options.device)
    with timing.part("insert"):
        run = VariantRun(
            generator,
            generator.prepare(volume, boxes[0]),
            request,
            seeds,
            more_boxes=boxes[1:],
            on_progress=report.progress,
            should_cancel=report.interrupted,
        )
        for line in run.forewarnings[len(volume.warnings) :]:  # reading has given the first ones, with the file's name
            report.warn(line)
        variants = best_first(run)
        for variant in variants:
            for line in variant.warnings[len(run.forewarnings) :]:
                report.warn(f"seed {variant.seed}: {line}")
        if run.remark:
            report.warn(run.remark)
    redrawn = [{"seed": seed, "quality": quality.as_dict()} for seed, quality in run.redrawn]
    report.values = {"seconds": timing.seconds, "variants": [], "redrawn": redrawn}
    with timing.part("write"):
        report.values["variants"] = outputs.write(variants, volume, report.interrupted)
    outputs.more.tell(report)
    say_variants(report)
