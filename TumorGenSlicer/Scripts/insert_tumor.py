"""Insert synthetic tumors into a PET volume without a window.

    Slicer --no-splash --no-main-window --python-script insert_tumor.py \
        --input PET.nrrd --roi ROI.mrk.json --output FOLDER --variants 3

The same file runs under plain Python where slicer-core is installed: ``python insert_tumor.py --input ...``.

Writes image, mask and provenance of each variant: ``PET_seed7_image.nrrd``, ``PET_seed7_mask.seg.nrrd`` and JSON beside
them. The input is never overwritten, and a failed run leaves no file behind.

Exit status: 0 done, 1 failed with one clear line, 2 wrong usage, 130 interrupted.
"""

# ASCII only: Slicer reads this file in the machine's own encoding.

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import slicer.util

# Slicer runs this file as code, not as part of the module: the library lies one folder up, beside the module or, in
# the source tree, the core one further.
for _folder in Path(__file__).resolve().parents[1:3]:
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from TumorGenCore.console.arguments import (  # noqa: E402
    add_insertion_options,
    add_report_options,
    asked_box,
    asked_seeds,
    join_box,
    tumor_request,
)
from TumorGenCore.console.report import Report  # noqa: E402
from TumorGenCore.console.running import FACTOR_REMEDY, run_command  # noqa: E402
from TumorGenCore.console.timing import Timing  # noqa: E402
from TumorGenCore.console.variants import describe_variant, say_variants  # noqa: E402
from TumorGenCore.errors import InvalidRequestError  # noqa: E402
from TumorGenCore.volumes.geometry import Box, Grid, ras_to_lps  # noqa: E402
from TumorGenCore.volumes.provenance_file import provenance_path  # noqa: E402
from TumorGenCore.volumes.read import read_volume  # noqa: E402
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES  # noqa: E402
from TumorGenCore.volumes.volume import PetVolume  # noqa: E402
from TumorGenCore.volumes.write import write_segmentation, write_volume  # noqa: E402
from TumorGenSlicerLib.run.dependencies import ensureDependencies  # noqa: E402
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant  # noqa: E402
from TumorGenSlicerLib.scene.geometry import addBoxNode, addVolumeNode, voxelArray  # noqa: E402
from TumorGenSlicerLib.scene.result_nodes import tumorMask  # noqa: E402
from TumorGenSlicerLib.scene.units import setUnits  # noqa: E402

if TYPE_CHECKING:
    from TumorGenCore.insertion.request import TumorRequest

__all__ = ["main"]

_PROGRAM = "insert_tumor"


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status."""
    try:
        options = _parser().parse_args(join_box(arguments))
        return run_command(_PROGRAM, options, _insert)
    except SystemExit as usage:  # Slicer would go on without a window and without a word.
        return int(usage.code or 0)


def _insert(options: argparse.Namespace, report: Report) -> None:
    request, seeds = tumor_request(options), asked_seeds(options)
    output = options.output.resolve()
    _checkOutput(output, options.input.resolve())
    box = asked_box(options)
    ensureDependencies(prompt=False)
    timing = Timing()
    with timing.part("read"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What is to be said of the units comes with the results.
        volume = read_volume(options.input, options.suv_factor)
    stem = _stem(options.input)
    with timing.part("insert"):
        variants = _drawn(volume, box, stem, seeds, request, options, report)
    for line in (line for variant in variants for line in variant.warnings):
        report.warn(line)
    with timing.part("write"):
        files = _write(variants, volume, output, stem)
    report.values = {
        "seconds": timing.seconds,
        "variants": [describe_variant(variant.summary, paths) for variant, paths in zip(variants, files, strict=True)],
    }
    say_variants(report)


def _drawn(
    volume: PetVolume,
    box: Box,
    name: str,
    seeds: Sequence[int],
    request: TumorRequest,
    options: argparse.Namespace,
    report: Report,
) -> list[Variant]:
    """One variant a seed in the scene, the best first."""
    scene = _scene()
    volumeNode = addVolumeNode(scene, name, volume.image)
    setUnits(volumeNode, volume.units)
    roiNode = addBoxNode(scene, "Box", ras_to_lps(box.center_lps), box.size_mm, ras_to_lps(np.transpose(box.axes)).T)
    logic = InsertionLogic(scene)
    logic.factorRemedy = FACTOR_REMEDY
    return logic.insertTumors(
        volumeNode,
        [roiNode],
        request,
        seeds=seeds,
        model=options.model,
        device=options.device,
        onProgress=lambda progress: report.progress(progress.stepsDone, progress.stepsInAll, progress.text),
    )


def _checkOutput(output: Path, source: Path) -> None:
    """Refuse before any work a folder that cannot take the results. Their names are never the input's own."""
    if output == source:
        raise InvalidRequestError(f"{output} is the input; give another folder for the results.")
    existing = next(folder for folder in (output, *output.parents) if folder.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"{existing} is a file; give a folder for the results.")
    if not os.access(existing, os.W_OK):
        raise PermissionError(f"The folder {existing} may not be written to; choose another for the results.")


def _scene() -> Any:
    """Slicer's scene, or under plain Python one of our own."""
    if getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = slicer.vtkMRMLScene()
    return slicer.mrmlScene


def _write(variants: Sequence[Variant], volume: PetVolume, output: Path, stem: str) -> list[list[Path]]:
    """Write all files, or none: into a temporary folder first, moved when all are complete."""
    grid = Grid.from_image(volume.image)
    missing = [folder for folder in (output, *output.parents) if not folder.exists()]
    output.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".insert_tumor-", dir=output) as folder:
            written = []
            for variant in variants:
                image = Path(folder) / f"{stem}_seed{variant.seed}_image.nrrd"
                mask = Path(folder) / f"{stem}_seed{variant.seed}_mask.seg.nrrd"
                write_volume(grid.image_from_array(voxelArray(variant.volumeNode)), image, variant.provenance)
                write_segmentation(grid.image_from_array(tumorMask(variant)), mask, provenance=variant.provenance)
                written.append([image, mask, provenance_path(image), provenance_path(mask)])
            return [[path.replace(output / path.name) for path in paths] for paths in written]
    except BaseException:
        for made in missing:
            made.rmdir()
        raise


def _stem(path: Path) -> str:
    name = path.resolve().name
    suffix = next((suffix for suffix in READABLE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Synthetic tumors with masks in FDG-PET, from a rough box. Research use, not for diagnosis.",
    )
    parser.add_argument(
        "--input", type=Path, required=True, metavar="PET", help="NIfTI, NRRD, MHA, or the folder of a DICOM PET series"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="made if it does not exist")
    add_insertion_options(parser)
    add_report_options(parser)
    return parser


if __name__ == "__main__":
    _status = main(sys.argv[1:])
    if hasattr(slicer, "app"):
        slicer.util.exit(_status)
    else:
        sys.exit(_status)
