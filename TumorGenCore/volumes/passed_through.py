"""A CT that comes with a scan: goes to the outputs byte for byte, because a synthetic tumor changes the PET only."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.safe_write import check_file, write_pieces
from TumorGenCore.volumes.suffixes import WRITABLE_SUFFIXES, known_suffix
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["PassedThrough", "check_ct", "overlap", "overlap_warnings", "record_of"]

_PIECE_BYTES = 2**20
#: Points along each axis of a grid that ``overlap`` tries.
_POINTS = 9


@dataclass(frozen=True)
class PassedThrough:
    """A file, and where its copy goes.

    Args:
        source: the file.
        output: its copy; the same suffix.
    """

    source: Path
    output: Path

    def check(self) -> None:
        """Checks, before any work, that the file can be passed through.

        Raises:
            UnsupportedVolumeError: the file is no volume in one file, or the copy has another suffix.
            OSError: the copy cannot be written to its path.
        """
        suffix = check_ct(self.source)
        if known_suffix(self.output, WRITABLE_SUFFIXES) != suffix:
            raise UnsupportedVolumeError(
                f"The CT passes through unchanged, so {self.output.name} must end in {suffix}, as {self.source.name}."
            )
        check_file(self.output)

    def write(self) -> dict[str, Any]:
        """Writes the copy, completely or not at all.

        Returns:
            Entry for a provenance: SHA-256 of the file, and that the copy is unchanged.

        Raises:
            OSError: the copy cannot be written.
        """
        with self.source.open("rb") as file:
            return record_of(write_pieces(self.output, iter(lambda: file.read(_PIECE_BYTES), b"")))


def record_of(sha256: str) -> dict[str, Any]:
    """Returns the entry of a file that passed through for a provenance."""
    return {"sha256": sha256, "unchanged": True}


def check_ct(source: Path) -> str:
    """Checks the path of a CT, and returns its suffix.

    Raises:
        UnsupportedVolumeError: there is no such file, it is a folder, or it is no volume in one file.
    """
    if source.is_dir():
        raise UnsupportedVolumeError(
            f"The CT {source} is a folder. A DICOM CT passes through with --output-dicom, which writes a DICOM study; "
            "else give the CT as one file."
        )
    if not source.is_file():
        raise UnsupportedVolumeError(f"There is no CT {source}. Check the path.")
    suffix = known_suffix(source, WRITABLE_SUFFIXES)
    if suffix is None:
        raise UnsupportedVolumeError(
            f"The CT {source.name} must be one file that ends in {', '.join(WRITABLE_SUFFIXES)}. Convert it first."
        )
    return suffix


def overlap_warnings(ct: Path, pet: PetVolume) -> list[str]:
    """Warnings about a CT that does not lie where the PET lies; empty if it does.

    Args:
        ct: file of the CT.
        pet: the scan.

    Raises:
        UnsupportedVolumeError: the CT is damaged or cannot be used.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is odd about the file passes through too
        grid = Grid.from_image(read_checked(ct))
    if overlap(grid, Grid.from_image(pet.image)):
        return []
    return ["CT and PET do not overlap in space. Give the CT of this scan."]


def overlap(one: Grid, other: Grid) -> bool:
    """Whether two grids share a part of space, by points spread evenly over each."""
    return _reaches(one, other) or _reaches(other, one)


def _reaches(one: Grid, other: Grid) -> bool:
    """Whether one of the points of a grid lies within another grid."""
    i, j, k = (np.linspace(-0.5, n - 0.5, _POINTS) for n in one.size_ijk)
    points = np.stack(np.meshgrid(i, j, k, indexing="ij"), axis=-1).reshape(-1, 3)
    index = other.lps_to_index(one.index_to_lps(points))
    return bool(np.any(np.all((index >= -0.5) & (index <= np.asarray(other.size_ijk) - 0.5), axis=-1)))
