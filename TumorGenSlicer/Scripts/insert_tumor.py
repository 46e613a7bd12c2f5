"""Inserts synthetic tumors into a PET volume without opening a window.

    Slicer --no-splash --no-main-window --python-script insert_tumor.py \
        --input PET.nrrd --roi ROI.mrk.json --output FOLDER --variants 3

Checks itself with a phantom, without a scan, and writes a report:

    Slicer --no-splash --no-main-window --python-script insert_tumor.py --self-test REPORT.md

The file also runs under plain Python if slicer-core is installed: ``python insert_tumor.py --input ...``.

Writes image, mask and provenance of each variant: ``PET_seed7_image.nrrd``, ``PET_seed7_mask.seg.nrrd`` and JSON files
beside them. It never overwrites the input, and a failed run leaves no file behind.

Exit status: 0 done, 1 failed with one clear line, 2 wrong usage, 130 stopped by Ctrl+C, 143 by SIGTERM.
"""

# ASCII only: Slicer reads this file in the system's encoding.

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import slicer.util

# Slicer runs this file as plain code, so it must find the packages itself. The library lies one folder up. The core
# lies beside it or, in the source tree, one folder further up.
for _folder in Path(__file__).resolve().parents[1:3]:
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from TumorGenCore.console.arguments import (  # noqa: E402
    add_device,
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
from TumorGenCore.errors import InvalidRequestError, TumorGenError, UnknownUnitsWarning  # noqa: E402
from TumorGenCore.volumes.geometry import Box, Grid, ras_to_lps  # noqa: E402
from TumorGenCore.volumes.provenance_file import provenance_path  # noqa: E402
from TumorGenCore.volumes.read import read_volume  # noqa: E402
from TumorGenCore.volumes.safe_write import all_or_none, check_folder, check_name, check_space  # noqa: E402
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES  # noqa: E402
from TumorGenCore.volumes.volume import PetVolume  # noqa: E402
from TumorGenCore.volumes.write import estimated_size, write_segmentation, write_volume  # noqa: E402
from TumorGenSlicerLib.run.dependencies import ensureDependencies  # noqa: E402
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant  # noqa: E402
from TumorGenSlicerLib.run.self_test import SelfTest, runSelfTest  # noqa: E402
from TumorGenSlicerLib.scene.geometry import addBoxNode, addVolumeNode, voxelArray  # noqa: E402
from TumorGenSlicerLib.scene.result_nodes import tumorMask  # noqa: E402
from TumorGenSlicerLib.scene.units import setUnits  # noqa: E402

if TYPE_CHECKING:
    from TumorGenCore.insertion.request import TumorRequest

__all__ = ["main"]

_PROGRAM = "insert_tumor"
_SELF_TEST = "--self-test"


def main(arguments: Sequence[str]) -> int:
    """Runs the script with these arguments and returns the exit status."""
    try:
        if any(argument.split("=")[0] == _SELF_TEST for argument in arguments):
            return run_command(_PROGRAM, _selfTestParser().parse_args(arguments), _selfTest)
        options = _parser().parse_args(join_box(arguments))
        return run_command(_PROGRAM, options, _insert)
    except SystemExit as usage:  # Else Slicer would keep running without a window or a message.
        return int(usage.code or 0)


def _insert(options: argparse.Namespace, report: Report) -> None:
    request, seeds = tumor_request(options), asked_seeds(options)
    output, stem = options.output.resolve(), _stem(options.input)
    _checkOutput(output, options.input.resolve())
    check_folder(_existing(output) / f"{stem}_seed{seeds[-1]}_image.provenance.json")
    box = asked_box(options)
    ensureDependencies(prompt=False)
    timing = Timing()
    with timing.part("read"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownUnitsWarning)  # The results carry the warnings about units.
        volume = read_volume(options.input, options.suv_factor)
    check_space({_existing(output) / stem: len(seeds) * estimated_size(volume.image, "image.nrrd")})
    with timing.part("insert"):
        variants = _drawn(volume, box, stem, seeds, request, options, report)
    for line in (line for variant in variants for line in variant.warnings):
        report.warn(line)
    with timing.part("write"):
        files = _write(variants, volume, output, stem, report)
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
    """Inserts one variant per seed into the scene; returns them, the best first."""
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


def _selfTest(options: argparse.Namespace, report: Report) -> None:
    path = options.self_test.resolve()
    _checkOutput(path.parent, path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file for the report.")
    _scene()
    test = SelfTest(device=options.device, onStep=lambda step: report.say(step.line))
    result = runSelfTest(test, lambda progress: report.progress(progress.stepsDone, progress.stepsInAll, progress.text))
    result.write(path)
    report.values = {**result.values(), "report": str(path)}
    if result.failed:
        names = ", ".join(step.name for step in result.failed)
        raise TumorGenError(f"The self-test failed at: {names}. Send {path} to the TumorGen developers.")
    report.say(f"Self-test: {result.summary}. You can send {path} to the TumorGen developers.")


def _checkOutput(output: Path, source: Path) -> None:
    """Refuses a folder that cannot take the results, before any work. No result has the name of the input."""
    if output == source:
        raise InvalidRequestError(f"{output} is the input. Give another folder for the results.")
    existing = _existing(output)
    if not existing.is_dir():
        raise NotADirectoryError(f"{existing} is a file. Give a folder for the results.")
    for name in output.relative_to(existing).parts:
        check_name(existing / name)


def _existing(folder: Path) -> Path:
    """The folder, or the next one above it that exists."""
    return next(above for above in (folder, *folder.parents) if above.exists())


def _scene() -> Any:
    """Slicer's scene; under plain Python, a new one."""
    if getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = slicer.vtkMRMLScene()
    return slicer.mrmlScene


def _write(variants: Sequence[Variant], volume: PetVolume, output: Path, stem: str, report: Report) -> list[list[Path]]:
    """Writes all files or none, the mask of a variant before its image."""
    grid = Grid.from_image(volume.image)
    written = []
    with _newFolder(output), all_or_none():
        for variant in variants:
            image = output / f"{stem}_seed{variant.seed}_image.nrrd"
            mask = output / f"{stem}_seed{variant.seed}_mask.seg.nrrd"
            write_segmentation(grid.image_from_array(tumorMask(variant)), mask, provenance=variant.provenance)
            write_volume(grid.image_from_array(voxelArray(variant.volumeNode)), image, variant.provenance)
            written.append([image, mask, provenance_path(image), provenance_path(mask)])
            report.interrupted.stop()
    return written


@contextlib.contextmanager
def _newFolder(path: Path) -> Iterator[None]:
    """Makes the folder and those above it, and removes what it made if the block fails."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for made in missing:
            with contextlib.suppress(OSError):  # Another program may have put a file there.
                made.rmdir()
        raise


def _stem(path: Path) -> str:
    name = path.resolve().name
    suffix = next((suffix for suffix in READABLE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Inserts synthetic tumors with masks into a rough box in FDG-PET. Research use, not for diagnosis.",
        epilog=f"{_PROGRAM} {_SELF_TEST} REPORT.md checks TumorGen on this computer with a phantom; it needs no scan.",
    )
    parser.add_argument(
        "--input", type=Path, required=True, metavar="PET", help="NIfTI, NRRD, MHA, or the folder of a DICOM PET series"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="created if it does not exist")
    add_insertion_options(parser)
    add_report_options(parser)
    return parser


def _selfTestParser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="Checks TumorGen on this computer with a phantom, and writes a report."
    )
    parser.add_argument(
        _SELF_TEST, type=Path, required=True, metavar="REPORT.md", help="the report; it holds no patient data"
    )
    add_device(parser)
    add_report_options(parser)
    return parser


if __name__ == "__main__":
    _status = main(sys.argv[1:])
    if hasattr(slicer, "app"):
        slicer.util.exit(_status)
    else:
        sys.exit(_status)
