"""What the headless script writes, and where: checks before the work, and the increment."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.console.truth_outputs import TruthOutputs, refuse_doubles
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.increment import IncrementUnits, increment_between
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.safe_write import check_name, overwritten_input

if TYPE_CHECKING:
    from TumorGenCore.volumes.volume import PetVolume

__all__ = ["Changed", "checkFolder", "checkJson", "checkMore", "existing"]


@dataclass(frozen=True)
class Changed:
    """A scan, and its voxels with all lesions of a variant; the scene keeps no grown tumors if there are several.

    Args:
        scan: the scan before the insertion.
        voxels: voxels (k, j, i) after it, in the pixel type of the scan.
    """

    scan: PetVolume
    voxels: NDArray

    def increment(self, units: IncrementUnits) -> sitk.Image:
        """What all lesions together changed: after minus before; bit for bit the image of ``increment_of``."""
        before = sitk.GetArrayViewFromImage(self.scan.image)
        change = increment_between(before, self.voxels, self.scan.units.suv_factor, units)
        return Grid.from_image(self.scan.image).image_from_array(change)


def checkFolder(folder: Path, source: Path) -> None:
    """Refuses a folder that cannot take the results, before any work. No result has the name of the input.

    Args:
        folder: absolute path; need not exist.
        source: input, absolute.

    Raises:
        InvalidRequestError: the folder is the input.
        OSError: a file is in the way, or a name cannot be used.
    """
    if folder == source:
        raise InvalidRequestError(f"{folder} is the input. Give another folder for the results.")
    above = existing(folder)
    if not above.is_dir():
        raise NotADirectoryError(f"{above} is a file. Give a folder for the results.")
    for name in folder.relative_to(above).parts:
        check_name(above / name)


def checkJson(options: argparse.Namespace, others: Iterable[Path]) -> None:
    """Ends with a usage error if the file of ``--json`` is a folder or another file of the command.

    Args:
        options: parsed options of the script.
        others: files and folders that the command reads or writes; the file must not lie in such a folder either.
    """
    path = options.json
    if path is None:
        return
    if path.is_dir():
        options.refuse(f"--json: {path} is a folder; give a file.")
    files = [file for other in others for file in ([other, *other.iterdir()] if other.is_dir() else [other])]
    if overwritten_input([path], files) or path.resolve() in [file.resolve() for file in files]:
        options.refuse(f"--json: {path} is needed for something else. Give another file.")


def checkMore(more: TruthOutputs, seeds: Iterable[int], output: Path, results: Sequence[Path]) -> list[Path]:
    """Checks truth table, increments and CT before any work, and returns their paths.

    Args:
        more: these outputs.
        seeds: seeds of the variants.
        output: folder of the results, absolute; it need not exist, and these files may lie in it too.
        results: paths of the results.

    Raises:
        TumorGenError, OSError: an output cannot be written to its path, or two have one path.
    """

    def at(path: Path) -> Path:
        return existing(output) / path.name if path.resolve().parent == output else path

    paths = more.check(seeds, at)
    refuse_doubles([*results, *paths], set())
    return paths


def existing(folder: Path) -> Path:
    """Returns the folder, or the next one above it that exists."""
    return next(above for above in (folder, *folder.parents) if above.exists())
