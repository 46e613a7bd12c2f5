"""Names of the results of a cohort, and what the caller hears about each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from TumorGenCore.volumes.provenance_file import provenance_path
from TumorGenCore.volumes.suffixes import WRITABLE_SUFFIXES, known_suffix

if TYPE_CHECKING:
    from TumorGenCore.cohort.manifest import ManifestRow
    from TumorGenCore.insertion.tumor import Shortcoming

__all__ = ["Key", "Made", "Outcome", "Record", "ResultFiles", "ct_path", "stem"]

#: Name of the row, and seed.
Key = tuple[str, int]
#: Line of ``cases.csv``, by column.
Record = dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """Outcome of one or several results of a row.

    Args:
        name: name of the row.
        seeds: seeds of the results; if the scan cannot be used, all seeds of the row that are still missing.
        record: line of ``cases.csv``; None if the result failed.
        reason: why the result failed.
        warnings: warnings for the user.
        shortcomings: what is wrong with the tumors; ``warnings`` has their text too.
        kept: whether the result comes from an earlier run.
    """

    name: str
    seeds: tuple[int, ...]
    record: Record | None = None
    reason: str = ""
    warnings: tuple[str, ...] = ()
    shortcomings: tuple[Shortcoming, ...] = ()
    kept: bool = False


@dataclass(frozen=True)
class Made:
    """What the maker of one result gives back, whose files are written; it can be sent from another process.

    Args:
        outcome: outcome of the result.
        truth: lines of ``truth.csv``; none if the result failed.
        forewarnings: warnings of ``VariantRun.forewarnings``.
        no_scan: whether the scan of the row cannot be used, so that no other result of the row can be made.
    """

    outcome: Outcome
    truth: bytes = b""
    forewarnings: tuple[str, ...] = ()
    no_scan: bool = False


@dataclass(frozen=True)
class ResultFiles:
    """Files of one result in a folder.

    Args:
        mask, provenance, image: their paths.
    """

    mask: Path
    provenance: Path
    image: Path

    @classmethod
    def of(cls, key: Key, folder: Path) -> ResultFiles:
        """Returns the files of a result, whether they exist or not."""
        image = folder / f"{stem(key)}_image.nii.gz"
        mask = folder / f"{stem(key)}_mask.nii.gz"
        return cls(mask, provenance_path(folder / f"{stem(key)}.nii.gz"), image)

    @property
    def paths(self) -> tuple[Path, Path, Path]:
        """The three paths."""
        return self.mask, self.provenance, self.image


def ct_path(row: ManifestRow, folder: Path) -> Path | None:
    """Returns the path of the CT of a row in the folder of the results, one for all its results; None without a CT."""
    if row.ct is None:
        return None
    return folder / f"{row.name}_ct{known_suffix(row.ct, WRITABLE_SUFFIXES) or row.ct.suffix}"


def stem(key: Key) -> str:
    """Returns the start of the file names of a result."""
    return f"{key[0]}_{key[1]}"
