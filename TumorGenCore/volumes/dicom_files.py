"""Finds the files of the only DICOM PET series in a folder. No file that may be a slice is left out in silence."""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.errors import UnsupportedVolumeError

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["class_remarks", "files_of", "find_pet_files"]

_PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
_MULTI_FRAME_PET = {
    "1.2.840.10008.5.1.4.1.1.130": "Enhanced PET",
    "1.2.840.10008.5.1.4.1.1.128.1": "Legacy Converted Enhanced PET",
}
_PIXEL_DATA = 0x7FE00010
#: PET slices have less than a megabyte; TumorGen reads no more of a file than this.
_LARGEST_SLICE = 256 * 2**20


def find_pet_files(source: Path | Sequence[Path], tags: Sequence[Any]) -> list[tuple[Path, Dataset]]:
    """Returns path and header of each slice of the only PET series in a folder, sorted by name.

    Files that are not DICOM and other DICOM objects are skipped. Slices without preamble and prefix are found too.

    Args:
        source: folder of the series, or its files.
        tags: tags to read; headers have no others.

    Raises:
        UnsupportedVolumeError: there is no series or several, it is multi-frame, or a file that may be a slice cannot
            be read.
    """
    from pydicom.tag import Tag  # here, so that other formats load quickly and without pydicom

    wanted = [Tag(tag) for tag in ("SOPClassUID", "Modality", "SeriesInstanceUID", *tags)]
    series: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    others: Counter[str] = Counter()
    unreadable: list[Path] = []
    folder = source if isinstance(source, Path) else "The list of files"
    for path in files_of(source):
        header = _header(path, wanted)
        sop_class = None if header is None else _sop_class(header)
        if header is None or sop_class is None:
            unreadable.append(path)
        elif sop_class in _MULTI_FRAME_PET:
            raise UnsupportedVolumeError(
                f"{folder} holds {_MULTI_FRAME_PET[sop_class]} (multi-frame) DICOM. Convert it to NRRD first."
            )
        elif sop_class == _PET_IMAGE_STORAGE:
            uid = _text(header, "SeriesInstanceUID")
            if not uid:
                raise UnsupportedVolumeError(
                    f"{path.name} is a damaged PET slice without SeriesInstanceUID. Copy the series again."
                )
            series[uid].append((path, header))
        else:
            others[_text(header, "Modality") or "without a modality"] += 1
    if not series:
        found = ", ".join(f"{count} {modality}" for modality, count in sorted(others.items())) or "none"
        more = f"; {len(unreadable)} files are not DICOM or are damaged" if unreadable else ""
        raise UnsupportedVolumeError(
            f"{folder} holds no DICOM PET slices (other DICOM objects: {found}{more}). Give the folder of the PET "
            "series."
        )
    if len(series) > 1:
        counts = " and ".join(str(len(members)) for members in series.values())
        raise UnsupportedVolumeError(
            f"{folder} holds {len(series)} PET series, with {counts} slices. Give a folder with one of them."
        )
    (members,) = series.values()
    _require_no_lost_slice(unreadable, [path for path, _ in members])
    return members


def files_of(source: Path | Sequence[Path]) -> list[Path]:
    """Returns the files of a folder, or those of a list, sorted.

    Raises:
        UnsupportedVolumeError: the folder cannot be read.
    """
    if not isinstance(source, Path):
        return sorted(source)
    try:
        return sorted(path for path in source.iterdir() if path.is_file())
    except OSError as error:
        raise UnsupportedVolumeError(
            f"The folder {source} cannot be read: {error.strerror}. Check its rights."
        ) from error


def _header(path: Path, tags: list[Any]) -> Dataset | None:
    """Returns the header of a DICOM file; None if the file is not DICOM.

    Raises:
        UnsupportedVolumeError: the file is DICOM, but damaged, or it cannot be opened.
    """
    from pydicom.filereader import read_partial

    passed = False

    def after_pixels(tag: int, vr: str | None, length: int) -> bool:
        """Stops there, because some files have other bytes after their end."""
        nonlocal passed
        ends, passed = passed, tag == _PIXEL_DATA
        return ends

    try:
        with path.open("rb") as file:
            start = file.read(132)
            # Without preamble and prefix, a file begins with an element of group 2 or 8.
            if start[128:] != b"DICM" and start[:2] not in (b"\x02\x00", b"\x08\x00"):
                return None
            # Only in memory does a damaged length cost no more memory than the file has bytes.
            content = io.BytesIO(start + file.read(_LARGEST_SLICE))
        return read_partial(content, after_pixels, force=True, specific_tags=tags)
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise UnsupportedVolumeError(
            f"{path.name} cannot be read as DICOM ({type(error).__name__}: {str(error)[:200]}). Copy the series "
            "again, or take the file out of the folder."
        ) from error


def _sop_class(header: Dataset) -> str | None:
    """Returns the class of a DICOM object; None if the header has none, or one that does not exist.

    Dataset and file meta information both tell it; one of them may be damaged.
    """
    from pydicom.uid import UID_dictionary

    told = (_text(header, "SOPClassUID"), _text(header.file_meta, "MediaStorageSOPClassUID"))
    for sop_class in told:
        if sop_class == _PET_IMAGE_STORAGE or sop_class in _MULTI_FRAME_PET:
            return sop_class
    sop_class = told[0] or told[1]
    standard = sop_class.startswith("1.2.840.10008.")
    known = sop_class in UID_dictionary if standard else re.fullmatch(r"[\d.]+", sop_class)
    return sop_class if known else None


def class_remarks(headers: Sequence[Dataset]) -> list[str]:
    """Sentences for the user about slices whose dataset and file meta information name different classes."""
    told = [(_text(header, "SOPClassUID"), _text(header.file_meta, "MediaStorageSOPClassUID")) for header in headers]
    count = sum(bool(own and meta and own != meta) for own, meta in told)
    if not count:
        return []
    return [
        f"In {count} slices of the PET series, SOPClassUID and the file meta information name different kinds of "
        "objects. They are taken as PET slices."
    ]


def _text(header: Dataset, keyword: str) -> str:
    try:
        return str(header.get(keyword) or "").strip("\0 ")
    except Exception:  # a damaged value tells as little as an absent one
        return ""


def _require_no_lost_slice(unreadable: Sequence[Path], slices: Sequence[Path]) -> None:
    """Refuses files that are not DICOM but have a name like the slices: they were damaged on the way."""
    patterns = {_name_pattern(path) for path in slices}
    suffixes = {path.suffix.lower() for path in slices if re.fullmatch(r"\.[a-z]+", path.suffix.lower())}
    lost = [
        path for path in unreadable if _name_pattern(path) in patterns or path.suffix.lower() in suffixes | {".dcm"}
    ]
    if lost:
        raise UnsupportedVolumeError(
            f"{lost[0].name} is empty or damaged, but may be a slice of the PET series ({len(lost)} such files). Copy "
            "the series again, or take these files out of the folder."
        )


def _name_pattern(path: Path) -> str:
    return re.sub(r"\d+", "#", path.name.lower())
