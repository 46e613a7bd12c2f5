"""`tumorgen insert`: tumors in one PET volume."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.arguments import add_insertion_options, asked_box, asked_seeds, tumor_request
from TumorGenCore.console.report import Report
from TumorGenCore.console.timing import Timing
from TumorGenCore.console.variants import describe_variant, say_variants
from TumorGenCore.errors import InvalidRequestError

if TYPE_CHECKING:
    from TumorGenCore.insertion.candidates import Selection
    from TumorGenCore.insertion.generator import InsertionResult, PreparedBox, TumorGenerator
    from TumorGenCore.insertion.request import TumorRequest
    from TumorGenCore.volumes.geometry import Box
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["add_command"]


def add_command(commands: Commands) -> None:
    """Add the command to the program's."""
    parser = new_command(commands, "insert", "insert a tumor in a PET volume")
    parser.add_argument("pet", type=Path, metavar="PET", help="NIfTI, NRRD, MHA, or a folder with a DICOM PET series")
    add_insertion_options(parser)
    parser.add_argument("--output-image", type=Path, required=True, metavar="OUT.nrrd")
    parser.add_argument(
        "--output-mask", type=Path, required=True, metavar="OUT.seg.nrrd", help="OUT.dcm: DICOM SEG, of a DICOM PET"
    )
    parser.add_argument("--output-probability", type=Path, metavar="OUT.nrrd", help="the soft mask")
    parser.add_argument("--preview", type=Path, metavar="OUT.png", help="three planes, before and after")
    parser.set_defaults(run=_insert)


def _insert(options: argparse.Namespace, report: Report) -> None:
    request, seeds = tumor_request(options), asked_seeds(options)
    from TumorGenCore.volumes.read import read_volume

    _check_outputs(options)
    box = asked_box(options)
    timing = Timing()
    with timing.part("read"):
        volume = read_volume(options.pet, options.suv_factor)
    with timing.part("load model"):
        from TumorGenCore.insertion.generator import TumorGenerator

        generator = TumorGenerator.from_pretrained(options.model, options.device)
    with timing.part("insert"):
        prepared = generator.prepare(volume, box)
        for line in prepared.warnings:
            report.warn(line)
        best = _drawn(generator, prepared, seeds, request, report)
    for candidate in best.kept:
        for line in candidate.made.warnings[len(prepared.warnings) :]:
            report.warn(f"seed {candidate.seed}: {line}")
    for line in best.remarks:
        report.warn(line)
    redrawn = [{"seed": seed, "quality": quality.as_dict()} for seed, quality in best.redrawn]
    report.values = {"seconds": timing.seconds, "variants": [], "redrawn": redrawn}
    with timing.part("write"):
        for candidate in best.kept:
            report.values["variants"].append(_written(candidate.seed, candidate.made, volume, box, options))
    say_variants(report)


def _drawn(
    generator: TumorGenerator, prepared: PreparedBox, seeds: Sequence[int], request: TumorRequest, report: Report
) -> Selection[InsertionResult]:
    """As many tumors as there are seeds, the best first."""
    from TumorGenCore.insertion.candidates import best_candidates
    from TumorGenCore.insertion.uptake_control import UptakeTarget

    target = request.target
    return best_candidates(
        generator,
        prepared,
        seeds,
        least_quality=request.least_quality,
        steps=request.steps,
        solver=request.solver,
        target=None if target is None else UptakeTarget(target.measure, target.suv),
        fill=request.fill,
        on_progress=report.progress,
        should_cancel=report.interrupted,
    )


def _written(
    seed: int, result: InsertionResult, volume: PetVolume, box: Box, options: argparse.Namespace
) -> dict[str, object]:
    """Write the files of one variant; returns its description."""
    from TumorGenCore.insertion.pictures import save_preview
    from TumorGenCore.lesions.measures import measure_images
    from TumorGenCore.volumes.dicom_seg import write_dicom_seg
    from TumorGenCore.volumes.write import write_segmentation, write_volume

    def named(path: Path) -> Path:
        return path if options.variants == 1 else _with_seed(path, seed)

    image, mask = named(options.output_image), named(options.output_mask)
    files = [image, mask]
    factor = volume.units.suv_factor
    write_volume(result.image, image, result.provenance)
    if _is_dicom(mask):
        write_dicom_seg(result.mask, options.pet, mask, result.provenance)
    else:
        write_segmentation(result.mask, mask, provenance=result.provenance)
    if options.output_probability:
        files.append(named(options.output_probability))
        write_volume(result.mask_probability, files[-1], result.provenance)
    if options.preview:
        files.append(named(options.preview))
        save_preview(volume.image, result.image, result.mask, box, files[-1], factor, title=f"seed {seed}")
    measures = measure_images(result.image, result.mask, factor)
    return describe_variant(seed, measures, result.quality, result.seconds, files)


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuse before any work what could not be written after it, or would overwrite the scan or another output."""
    from TumorGenCore.volumes.dicom_seg import check_dicom_seg
    from TumorGenCore.volumes.write import check_writable

    if _is_dicom(options.output_mask):
        check_dicom_seg(options.output_mask, options.pet)
    else:
        check_writable(options.output_mask)
    for path in filter(None, (options.output_image, options.output_probability)):
        check_writable(path)
    if options.preview:
        _check_preview(options.preview)
    taken = {options.pet.resolve()}
    for path in filter(None, (options.output_image, options.output_mask, options.output_probability, options.preview)):
        if path.resolve() in taken:
            raise InvalidRequestError(f"{path} is the input or given for two outputs; give each a file of its own.")
        taken.add(path.resolve())


def _check_preview(path: Path) -> None:
    if path.suffix.lower() != ".png":
        raise InvalidRequestError(f"The preview {path.name} must end in .png.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to; create it first.")


def _is_dicom(path: Path) -> bool:
    from TumorGenCore.volumes.dicom_seg import DICOM_SEG_SUFFIX

    return path.suffix.lower() == DICOM_SEG_SUFFIX


def _with_seed(path: Path, seed: int) -> Path:
    """``out.nrrd`` becomes ``out-seed7.nrrd``."""
    stem, dot, suffixes = path.name.partition(".")
    return path.with_name(f"{stem}-seed{seed}{dot}{suffixes}")
