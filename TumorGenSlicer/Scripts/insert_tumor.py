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
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import slicer.util

# Slicer runs this file as code, not as part of the module: the library lies one folder up, beside the module or, in
# the source tree, the core one further.
for _folder in Path(__file__).resolve().parents[1:3]:
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from TumorGenCore.bundle.folders import DEFAULT_BUNDLE  # noqa: E402
from TumorGenCore.command_arguments import (  # noqa: E402
    add_least_quality,
    add_sampling,
    add_tumor_wishes,
    join_box,
    least_quality,
    positive_number,
    seed_number,
    uptake_target,
)
from TumorGenCore.errors import CancelledError, TumorGenError, with_remedy  # noqa: E402
from TumorGenCore.interrupts import StopRequest, remembered_interrupts  # noqa: E402
from TumorGenCore.volumes.geometry import Grid, ras_to_lps  # noqa: E402
from TumorGenCore.volumes.markups import parse_box, read_box  # noqa: E402
from TumorGenCore.volumes.provenance_file import provenance_path  # noqa: E402
from TumorGenCore.volumes.read import read_volume  # noqa: E402
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES  # noqa: E402
from TumorGenCore.volumes.volume import PetVolume  # noqa: E402
from TumorGenCore.volumes.write import write_segmentation, write_volume  # noqa: E402
from TumorGenSlicerLib.run.dependencies import ensureDependencies  # noqa: E402
from TumorGenSlicerLib.run.logic import InsertionLogic, Progress, Variant  # noqa: E402
from TumorGenSlicerLib.scene.geometry import addBoxNode, addVolumeNode, voxelArray  # noqa: E402
from TumorGenSlicerLib.scene.result_nodes import tumorMask  # noqa: E402
from TumorGenSlicerLib.scene.units import setUnits  # noqa: E402

_DONE, _FAILED, _INTERRUPTED = 0, 1, 130
_FACTOR_REMEDY = "The option is --suv-factor."


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit status."""
    try:
        options = _parser().parse_args(join_box(arguments))
    except SystemExit as usage:
        return int(usage.code or 0)
    try:
        with remembered_interrupts() as interrupted:
            report = _insert(options, interrupted)
    except (KeyboardInterrupt, CancelledError):
        return _fail(options, "Interrupted; nothing was written.", _INTERRUPTED)
    except (TumorGenError, OSError, ValueError) as error:
        return _fail(options, with_remedy(error, _FACTOR_REMEDY), _FAILED)
    except Exception as error:  # Slicer would go on without a window and without a word.
        return _fail(options, f"Unexpected {type(error).__name__}: {error}", _FAILED)
    if options.json:
        print(json.dumps(report), flush=True)
    return _DONE


def _insert(options: argparse.Namespace, interrupted: StopRequest) -> dict[str, Any]:
    output = options.output.resolve()
    _checkOutput(output, options.input.resolve())
    box = read_box(options.roi) if options.roi else parse_box(options.box, options.frame)
    target = uptake_target(options)
    ensureDependencies(prompt=False)
    seconds: dict[str, float] = {}
    clock = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What is to be said of the units comes with the results.
        volume = read_volume(options.input, options.suv_factor)
    seconds["read"] = time.perf_counter() - clock
    clock = time.perf_counter()
    stem = _stem(options.input)
    scene = _scene()
    volumeNode = addVolumeNode(scene, stem, volume.image)
    setUnits(volumeNode, volume.units)
    roiNode = addBoxNode(scene, "Box", ras_to_lps(box.center_lps), box.size_mm, ras_to_lps(np.transpose(box.axes)).T)
    isShown = sys.stderr.isatty() and not options.json

    def follow(progress: Progress) -> None:
        interrupted.stop()
        if isShown:
            _showProgress(progress)

    logic = InsertionLogic(scene)
    logic.factorRemedy = _FACTOR_REMEDY
    variants = logic.insertTumors(
        volumeNode,
        [roiNode],
        seeds=range(options.seed, options.seed + options.variants),
        steps=options.steps,
        solver=options.solver,
        model=options.model,
        device=options.device,
        target=target,
        fill=options.fill,
        leastQuality=least_quality(options),
        onProgress=follow,
    )
    seconds["insert"] = time.perf_counter() - clock
    clock = time.perf_counter()
    files = _write(variants, volume, output, stem)
    seconds["write"] = time.perf_counter() - clock
    return _report(options, variants, files, seconds)


def _checkOutput(output: Path, source: Path) -> None:
    """Refuse before any work a folder that cannot take the results. Their names are never the input's own."""
    if output == source:
        raise ValueError(f"{output} is the input; give another folder for the results.")
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


def _report(
    options: argparse.Namespace, variants: Sequence[Variant], files: Sequence[list[Path]], seconds: dict[str, float]
) -> dict[str, Any]:
    """Say what was made; returns it for machines."""
    remarks = list(dict.fromkeys(line for variant in variants for line in variant.warnings))
    entries = []
    for variant, paths in zip(variants, files, strict=True):
        figures = {
            key: round(value, 3) if math.isfinite(value) else None for key, value in asdict(variant.measures).items()
        }
        quality = variant.quality.as_dict()
        entries.append({"seed": variant.seed, **figures, "quality": quality, "files": [str(path) for path in paths]})
        if not options.json:
            size, hottest = figures["volume_ml"], figures["suv_max"]
            print(f"Synthetic tumor, seed {variant.seed}: {size} ml, SUVmax {hottest}, quality {quality['total']:.2f}")
            for line in (*quality["reasons"], *quality["left_out"]):
                print(f"  {line}")
            for path in paths:
                print(f"  {path}")
    if not options.json:
        print("Time: " + ", ".join(f"{part} {value:.2f} s" for part, value in seconds.items()))
        print("Synthetic, not for diagnosis.", flush=True)
        for line in remarks:
            print(f"Warning: {line}", file=sys.stderr, flush=True)
    return {"variants": entries, "seconds": seconds, "warnings": remarks}


def _fail(options: argparse.Namespace, message: str, status: int) -> int:
    line = " ".join(message.split())
    if options.json:
        print(json.dumps({"error": line}), flush=True)
    print(f"insert_tumor: {line}", file=sys.stderr, flush=True)
    return status


def _showProgress(progress: Progress) -> None:
    done = progress.stepsDone == progress.stepsInAll
    text = f"{progress.text}, {progress.stepsDone} of {progress.stepsInAll} steps in all"
    print(f"\r{text:<78}", end="\n" if done else "", file=sys.stderr, flush=True)


def _stem(path: Path) -> str:
    name = path.resolve().name
    suffix = next((suffix for suffix in READABLE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="insert_tumor",
        description="Synthetic tumors with masks in FDG-PET, from a rough box. Research use, not for diagnosis.",
    )
    parser.add_argument(
        "--input", type=Path, required=True, metavar="PET", help="NIfTI, NRRD, MHA, or the folder of a DICOM PET series"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--roi", type=Path, metavar="ROI.mrk.json", help="an ROI saved by 3D Slicer")
    where.add_argument("--box", metavar="CX,CY,CZ,SX,SY,SZ", help="center and edge lengths, mm")
    parser.add_argument("--frame", choices=("ras", "lps"), default="ras", help="frame of --box (default: ras)")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="made if it does not exist")
    parser.add_argument(
        "--variants", type=positive_number, default=1, help="how many, the best first; seeds count up from --seed"
    )
    add_least_quality(parser)
    parser.add_argument("--seed", type=seed_number, default=0, help="the same seed gives the same tumor (default: 0)")
    add_sampling(parser)
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="bundle name or folder (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    parser.add_argument("--suv-factor", type=float, metavar="F", help="SUV per unit of the image")
    add_tumor_wishes(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    return parser


if __name__ == "__main__":
    _status = main(sys.argv[1:])
    if hasattr(slicer, "app"):
        slicer.util.exit(_status)
    else:
        sys.exit(_status)
