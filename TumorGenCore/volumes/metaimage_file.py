"""Reads MetaImage files (.mha, .mhd), after a check of their header.

ITK is not used here: it crashes on a wrong number of axes, ignores the slope, and leaves voxels uninitialized where
compressed data are short. Standard: https://itk.org/Wiki/ITK/MetaIO/Documentation
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import UnsupportedVolumeError, VolumeWarning
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.header_grid import header_grid
from TumorGenCore.volumes.header_text import decimal, header_line, header_numbers, header_whole_numbers, quoted
from TumorGenCore.volumes.voxel_data import (
    check_size,
    data_files,
    decoded,
    fill_voxels,
    scaled,
    share_of_file,
    skip_bytes,
    skip_to_last,
)

__all__ = ["read_metaimage"]

_MAX_HEADER_BYTES = 1 << 20
_MAX_FILES = 100_000
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # 4 bytes in MetaIO on every system
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MM_PER_UNIT = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "?": 1.0, "": 1.0}
_LAST_KEY = "ElementDataFile"


def read_metaimage(path: Path) -> sitk.Image:
    """Reads a MetaImage file with one 3D volume of one real number per voxel.

    Warns:
        VolumeWarning: the file does not say where it lies, or it has a slope, which most programs ignore.

    Raises:
        UnsupportedVolumeError: the file cannot be used.
        EOFError, OSError, ValueError, zlib.error: the file is damaged.
    """
    with path.open("rb") as file:
        header = _Header.parse(path.name, file)
        size = header.size()
        grid = header.grid(size)
        dtype = header.dtype()
        slope, intercept = header.slope()
        wanted = check_size(path.name, size, dtype)
        voxels = fill_voxels(path.name, _pieces(path, file, header, wanted, dtype), size, dtype)
    return grid.image_from_array(scaled(voxels, slope, intercept))


def _pieces(path: Path, file: BinaryIO, header: _Header, wanted: int, dtype: np.dtype) -> Iterator[bytes]:
    """Returns the bytes of the voxels, of all data files in turn."""
    paths = data_files(path.name, path.parent, header.data_names(), header.size()[2])
    part = wanted // max(1, len(paths))
    (skip,) = header.whole_numbers("HeaderSize", "0")
    encoding = header.encoding()
    with ExitStack() as opened:
        for stream in (opened.enter_context(each.open("rb")) for each in paths) if paths else (file,):
            if skip == -1:
                skip_to_last(stream, part)
            elif skip:
                stream.seek(0)
                skip_bytes(path.name, stream, skip)
            pieces = decoded(stream, encoding, part, dtype)
            yield from share_of_file(path.name, pieces, part) if len(paths) > 1 else pieces


@dataclass(frozen=True)
class _Header:
    """Tags of a MetaImage header, as text."""

    name: str
    tags: dict[str, str] = field(repr=False)
    listed: list[str] = field(repr=False)

    @classmethod
    def parse(cls, name: str, file: BinaryIO) -> _Header:
        """Reads the header, and leaves the file at the first byte after it."""
        tags: dict[str, str] = {}
        while _LAST_KEY not in tags:
            line = file.readline(_MAX_HEADER_BYTES)
            if not line or (line.strip() and b"=" not in line) or file.tell() > _MAX_HEADER_BYTES:
                raise UnsupportedVolumeError(
                    f"{name} is not a MetaImage file. Give NIfTI, NRRD, MHA or a DICOM folder."
                )
            key, sign, value = (part.strip() for part in header_line(name, line).partition("="))
            if sign and tags.setdefault(key, value) != value:
                raise UnsupportedVolumeError(
                    f"{name} contradicts itself: its header says {quoted(key)} = {quoted(tags[key])} and "
                    f"{quoted(value)}. Correct the header."
                )
        listed = []
        if tags[_LAST_KEY].upper().startswith("LIST"):
            rest = file.read(_MAX_HEADER_BYTES).decode("utf-8", "replace")
            listed = [line.strip() for line in rest.splitlines() if line.strip()]
        if tags.get("ObjectType", "Image") != "Image":
            raise UnsupportedVolumeError(f"{name} holds {quoted(tags['ObjectType'])} and no image. Give another file.")
        return cls(name, tags, listed)

    def text(self, key: str, default: str, *synonyms: str) -> str:
        """Returns the value of a tag, or of a synonym of it."""
        values = [self.tags[each] for each in (key, *synonyms) if each in self.tags]
        if len(set(map(_meaning, values))) > 1:
            raise UnsupportedVolumeError(
                f"{self.name} contradicts itself: its header says {' and '.join(map(quoted, values))} for {key}. "
                "Correct the header."
            )
        return values[0] if values else default

    def whole_numbers(self, key: str, default: str) -> list[int]:
        """Returns the whole numbers of a tag."""
        return header_whole_numbers(self.name, key, self.text(key, default).split() or ["0"])

    def encoding(self) -> str:
        """Returns how the voxels are stored, as a name of ``decoded``."""
        if not self._true("BinaryData", default=True):
            return "text"
        return "deflate" if self._true("CompressedData") else "raw"

    def dtype(self) -> np.dtype:
        """Returns the type of a voxel, with its byte order."""
        element = self.text("ElementType", "unknown")
        kind = _TYPES.get(element)
        channels = self.text("ElementNumberOfChannels", "1")
        if kind is None or channels != "1":
            raise UnsupportedVolumeError(
                f"{self.name} has voxels of {quoted(channels)} components of the type {quoted(element)}, "
                "but TumorGen needs one real number per voxel. Extract one component first."
            )
        big = self._true("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
        return np.dtype((">" if big else "<") + kind)

    def slope(self) -> tuple[float, float]:
        """Returns slope and intercept from stored to real values."""
        texts = [self.text("ElementToIntensityFunctionSlope", "1"), self.text("ElementToIntensityFunctionOffset", "0")]
        slope, intercept = header_numbers(self.name, "ElementToIntensityFunction", texts)
        if not (np.isfinite([slope, intercept]).all() and slope != 0):
            raise UnsupportedVolumeError(
                f"{self.name} has the slope {slope} and the offset {intercept} (ElementToIntensityFunction). Correct "
                "the header."
            )
        if (slope, intercept) != (1.0, 0.0):
            warnings.warn(
                f"{self.name} has the slope {slope:g} and the offset {intercept:g} (ElementToIntensityFunction). "
                "TumorGen applied them; ITK and 3D Slicer ignore them. Check the values.",
                VolumeWarning,
                stacklevel=3,
            )
        return slope, intercept

    def data_names(self) -> list[str]:
        """Returns the names of the data files; none if the voxels follow the header."""
        value = self.tags[_LAST_KEY]
        if value.upper() == "LOCAL":
            return []
        if value.upper().startswith("LIST"):
            return self.listed
        pattern = re.fullmatch(r"(\S*%\d*d\S*) +(\d+) +(\d+)(?: +(\d+))?", value)
        if pattern is None:
            return [value]
        ends = [pattern.group(2), pattern.group(3), pattern.group(4) or "1"]
        first, last, step = header_whole_numbers(self.name, _LAST_KEY, ends)
        if step < 1 or not 0 <= (last - first) // step < _MAX_FILES:
            raise UnsupportedVolumeError(
                f"{self.name} has the impossible data files {quoted(value)}. Correct the header."
            )
        return [pattern.group(1) % n for n in range(first, last + 1, step)]

    def size(self) -> tuple[int, int, int]:
        """Returns the voxels along i, j, k; further axes have one element."""
        (axes,) = self.whole_numbers("NDims", "0")
        sizes = self.whole_numbers("DimSize", "")
        if not 1 <= axes <= 10 or len(sizes) != axes or min(sizes) < 1:
            raise UnsupportedVolumeError(
                f"{self.name} has the impossible NDims = {axes} and DimSize = {quoted(self.text('DimSize', ''))}. "
                "Correct the header."
            )
        if axes < 3 or max(sizes[3:], default=1) > 1:
            raise UnsupportedVolumeError(
                f"{self.name} has {axes} dimensions {sizes}, but TumorGen needs 3. Extract one frame first."
            )
        return sizes[0], sizes[1], sizes[2]

    def grid(self, size: tuple[int, int, int]) -> Grid:
        """Returns the grid of the volume."""
        (axes,) = self.whole_numbers("NDims", "0")
        spacing = self._numbers(axes, "ElementSpacing" if "ElementSpacing" in self.tags else "ElementSize")
        if spacing is None:
            raise UnsupportedVolumeError(
                f"{self.name} does not say its voxel size (no ElementSpacing). Add 'ElementSpacing = x y z' in mm to "
                "the header."
            )
        origin = self._numbers(axes, "Offset", "Position", "Origin")
        if origin is None:
            warnings.warn(
                f"{self.name} does not say where it lies (it has no Offset). TumorGen takes the first voxel at 0, 0, "
                "0. Check the place of the volume.",
                VolumeWarning,
                stacklevel=3,
            )
            origin = np.zeros(axes)
        matrix = self._numbers(axes * axes, "TransformMatrix", "Rotation", "Orientation")
        direction = np.eye(axes) if matrix is None else matrix.reshape(axes, axes).T
        unit = self.text("DistanceUnits", "mm").lower()
        if unit not in _MM_PER_UNIT:
            raise UnsupportedVolumeError(
                f"{self.name} has the DistanceUnits {quoted(unit)}, but TumorGen reads mm, cm, m and um. "
                "Correct the header."
            )
        scale = _MM_PER_UNIT[unit]
        return header_grid(self.name, size, spacing[:3] * scale, origin[:3] * scale, direction[:3, :3])

    def _numbers(self, count: int, *keys: str) -> NDArray[np.float64] | None:
        if not any(key in self.tags for key in keys):
            return None
        text = self.text(keys[0], "", *keys[1:])
        numbers = np.array(header_numbers(self.name, keys[0], text.split()))
        if len(numbers) != count:
            raise UnsupportedVolumeError(
                f"{self.name} has {len(numbers)} numbers in {keys[0]} = {quoted(text)}, but needs {count}. "
                "Correct the header."
            )
        return numbers

    def _true(self, key: str, *synonyms: str, default: bool = False) -> bool:
        """Returns whether a tag says True."""
        value = self.text(key, str(default), *synonyms)
        truth = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(value.lower())
        if truth is None:
            raise UnsupportedVolumeError(
                f"{self.name} has {key} = {quoted(value)}, but True or False is needed. Correct the header."
            )
        return truth


def _meaning(text: str) -> object:
    """Returns what makes two values of a tag the same: their numbers, or their letters."""
    try:
        return tuple(map(decimal, text.split()))
    except ValueError:
        return text.lower()
