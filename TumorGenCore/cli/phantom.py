"""`tumorgen phantom`: makes a digital whole-body scan for trying things out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.cli.options import Commands, new_command
from TumorGenCore.console.arguments import seed_number
from TumorGenCore.console.report import Report
from TumorGenCore.errors import InvalidRequestError

if TYPE_CHECKING:
    from TumorGenCore.phantom.scanner import Scan
    from TumorGenCore.volumes.geometry import Box

__all__ = ["add_command"]

#: Size of the file of a phantom. Its noise hardly compresses, so that seed and format change it by 12 % at most.
_FILE_BYTES = 35_000_000
#: Most that a body from a label map takes; its voxels are larger or smaller from seed to seed.
_ANATOMY_FILE_BYTES = 25_000_000


def add_command(commands: Commands) -> None:
    """Adds the command to the commands of the program."""
    parser = new_command(commands, "phantom", "make a digital whole-body FDG phantom")
    parser.add_argument("output", type=Path, metavar="OUT.nii.gz")
    parser.add_argument("--seed", type=seed_number, default=0)
    parser.add_argument(
        "--anatomy",
        type=Path,
        metavar="LABELS.npz",
        help="make the body from this label map; the seed then also draws its size, pose, voxels and noise",
    )
    parser.add_argument("--roi", type=Path, metavar="ROI.mrk.json", help="also write an ROI box in healthy tissue")
    parser.add_argument(
        "--site", default="liver", help="site of that box (default: liver); an organ if there is --anatomy"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="LABELS.nii.gz", help="also write its organs, with TotalSegmentator's numbers"
    )
    parser.set_defaults(run=_phantom)


def _phantom(options: argparse.Namespace, report: Report) -> None:
    from TumorGenCore.volumes.markups import write_box
    from TumorGenCore.volumes.safe_write import all_or_none, check_folder, check_space
    from TumorGenCore.volumes.write import check_writable, write_volume

    check_writable(options.output)
    if options.labels:
        check_writable(options.labels)
        _refuse_same(options.labels, options.output)
    if options.roi:
        check_folder(options.roi)
    check_space({options.output: _ANATOMY_FILE_BYTES if options.anatomy else _FILE_BYTES})
    scan, box = _body_of_anatomy(options) if options.anatomy else _own_body(options)
    with all_or_none():
        if box:
            write_box(box, options.roi)
        if options.labels:
            from TumorGenCore.phantom.organ_labels import organ_labels

            write_volume(organ_labels(scan), options.labels)
        write_volume(scan.image, options.output)
        report.interrupted.stop()
    report.values = {"phantom": str(options.output)}
    report.say(f"Digital FDG phantom (synthetic): {options.output}")
    if options.roi:
        report.values["roi"] = str(options.roi)
        report.say(f"Box in the {options.site}: {options.roi}")
    if options.labels:
        report.values["labels"] = str(options.labels)
        report.say(f"Organs: {options.labels}")


def _refuse_same(path: Path, other: Path) -> None:
    from TumorGenCore.volumes.safe_write import overwritten_input

    if overwritten_input([path], [other]) or path.resolve() == other.resolve():
        raise InvalidRequestError(f"{path} is also the file of the phantom. Give the labels a file of their own.")


def _own_body(options: argparse.Namespace) -> tuple[Scan, Box | None]:
    from TumorGenCore.phantom.phantom import phantom_box, scan_phantom

    box = phantom_box(options.site)
    return scan_phantom(options.seed), box if options.roi else None


def _body_of_anatomy(options: argparse.Namespace) -> tuple[Scan, Box | None]:
    from TumorGenCore.phantom.anatomy import read_anatomy
    from TumorGenCore.phantom.anatomy_phantom import scan_anatomy
    from TumorGenCore.phantom.organ_sites import check_organ, organ_boxes

    check_organ(options.site)
    scan = scan_anatomy(read_anatomy(options.anatomy), options.seed)
    return scan, organ_boxes(scan, options.site, seed=options.seed)[0] if options.roi else None
