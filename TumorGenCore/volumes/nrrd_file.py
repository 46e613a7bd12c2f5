"""Reads NRRD files (.nrrd, .nhdr), after a check of their header.

ITK is not used here: it crashes on long header lines, ignores units, replaces values that are absent or NaN, and reads
no list with one frame. Standard: https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import math
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
from TumorGenCore.volumes.header_grid import header_grid, header_grid_of_steps
from TumorGenCore.volumes.header_text import header_line, header_numbers, header_whole_numbers, quoted
from TumorGenCore.volumes.voxel_data import (
    check_size,
    data_files,
    decoded,
    fill_voxels,
    share_of_file,
    skip_bytes,
    skip_to_last,
)

__all__ = ["NrrdSegments", "read_nrrd", "read_nrrd_segments"]

_MAX_HEADER_BYTES = 16 << 20
_MAX_FILES = 100_000
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPE_OF_NAME = {name: kind for kind, names in _TYPES.items() for name in names}
_ENCODINGS = {
    "raw": "raw",
    "gz": "deflate",
    "gzip": "deflate",
    "bz2": "bzip2",
    "bzip2": "bzip2",
    "hex": "hex",
    "txt": "text",
    "text": "text",
    "ascii": "text",
}
#: Signs that turn the axes of a space to LPS; None if the space says nothing about the patient.
_SPACES: dict[str, tuple[int, int, int] | None] = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
    "scanner-xyz": None,
    "3d-right-handed": None,
    "3d-left-handed": None,
}
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "nm": 1e-6}
_MM_PER_UNIT |= {"µm": 1e-3, "μm": 1e-3, "": 1.0, "???": 1.0}
_PLACE_KINDS = {"domain", "space", "???", "none"}
_FRAME_KINDS = {"list", "time"}
#: Keys of a segment's place in a Slicer segmentation, and their values in files of old versions, which have no layers.
_PLACE_OF_SEGMENT = {"Layer": "0", "LabelValue": "1"}


def read_nrrd(path: Path) -> sitk.Image:
    """Reads an NRRD file, or the detached header of one, with one 3D volume of one real number per voxel.

    If the segments of a Slicer segmentation overlap, it has several layers; then the highest label of a voxel is taken.

    Warns:
        VolumeWarning: the file does not say where it lies; the message says what was taken.

    Raises:
        UnsupportedVolumeError: the file cannot be used.
        EOFError, OSError, ValueError, zlib.error: the file is damaged.
    """
    _, grid, voxels = _read(path)
    return grid.image_from_array(voxels.max(axis=-1) if voxels.shape[-1] > 1 else voxels[..., 0])


@dataclass(frozen=True)
class NrrdSegments:
    """The segments of a Slicer segmentation (.seg.nrrd).

    Args:
        layers: one label map for each layer; segments in different layers may overlap. Other files have one layer.
        segments: name of the segment, its layer from 0, and its label in that layer; in the order of the file. Empty
            if the file is no segmentation.
    """

    layers: tuple[sitk.Image, ...]
    segments: tuple[tuple[str, int, int], ...]


def read_nrrd_segments(path: Path) -> NrrdSegments:
    """Reads an NRRD file with the names of its segments. Warns and raises as ``read_nrrd``.

    The keys Segment0_Name and so on: https://slicer.readthedocs.io/en/latest/user_guide/modules/segmentations.html
    """
    header, grid, voxels = _read(path)
    layers = tuple(grid.image_from_array(np.ascontiguousarray(voxels[..., n])) for n in range(voxels.shape[-1]))
    return NrrdSegments(layers, header.segments(len(layers)) if header.segmentation else ())


def _read(path: Path) -> tuple[_Header, Grid, NDArray]:
    """Returns header, grid and voxels (k, j, i, layer) of a file."""
    with path.open("rb") as file:
        header = _Header.parse(path.name, file)
        layers, grid = header.grid()
        size = (layers * grid.size_ijk[0], *grid.size_ijk[1:])  # the layers of a voxel follow each other
        wanted = check_size(path.name, size, header.dtype)
        voxels = fill_voxels(path.name, _pieces(path, file, header, size[2], wanted), size, header.dtype)
    return header, grid, voxels.reshape(*grid.size_ijk[::-1], layers)


def _pieces(path: Path, file: BinaryIO, header: _Header, slices: int, wanted: int) -> Iterator[bytes]:
    """Returns the bytes of the voxels, of all data files in turn."""
    name, lines, skip = path.name, header.whole("lineskip"), header.whole("byteskip")
    paths = data_files(name, path.parent, header.data_names(), slices)
    part = wanted // max(1, len(paths))
    with ExitStack() as opened:
        for stream in (opened.enter_context(each.open("rb")) for each in paths) if paths else (file,):
            if lines < 0:
                raise UnsupportedVolumeError(f"{name} has the line skip {lines}. Correct the header.")
            for _ in range(lines):
                if not stream.readline(_MAX_HEADER_BYTES):
                    raise EOFError(f"line skip {lines} goes beyond the end")
            if header.encoding == "raw":
                if skip == -1:
                    skip_to_last(stream, part)
                else:
                    skip_bytes(name, stream, skip)
                pieces = decoded(stream, "raw", part, header.dtype)
            else:
                pieces = _without_start(decoded(stream, header.encoding, part, header.dtype), skip, name)
            yield from share_of_file(name, pieces, part) if len(paths) > 1 else pieces


def _without_start(pieces: Iterator[bytes], skip: int, name: str) -> Iterator[bytes]:
    if skip < 0:
        raise UnsupportedVolumeError(f"{name} has the byte skip {skip} for compressed data. Correct the header.")
    for piece in pieces:
        yield piece[skip:]
        skip = max(0, skip - len(piece))


@dataclass(frozen=True)
class _Header:
    """Fields of an NRRD header, with names in lower case and without spaces, and its free pairs of key and value."""

    name: str
    fields: dict[str, str] = field(repr=False)
    listed: list[str] = field(repr=False)
    pairs: dict[str, str] = field(repr=False)
    dtype: np.dtype
    encoding: str

    @classmethod
    def parse(cls, name: str, file: BinaryIO) -> _Header:
        """Reads the header, and leaves the file at the first byte after it."""
        fields, listed, pairs = _read_lines(name, file)
        kind = _TYPE_OF_NAME.get(" ".join(fields.get("type", "").lower().split()))
        if kind is None:
            raise UnsupportedVolumeError(
                f"{name} has voxels of the type {quoted(fields.get('type', 'none'))}, but TumorGen needs whole "
                "numbers of 8 to 64 bits, float or double. Convert it."
            )
        encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
        if encoding is None:
            raise UnsupportedVolumeError(
                f"{name} has the encoding {quoted(fields.get('encoding', 'none'))}, but TumorGen reads "
                f"{', '.join(_ENCODINGS)}. Convert it."
            )
        order = {"little": "<", "big": ">"}.get(fields.get("endian", "").lower())
        if order is None and np.dtype(kind).itemsize > 1 and encoding != "text":
            raise UnsupportedVolumeError(
                f"{name} does not say its byte order (endian: {quoted(fields.get('endian', ''))}). Add 'endian: "
                "little' or 'endian: big' to the header."
            )
        return cls(name, fields, listed, pairs, np.dtype((order or "=") + kind), encoding)

    def whole(self, key: str) -> int:
        """Returns the whole number of a field, 0 if it is absent."""
        return header_whole_numbers(self.name, key, [self.fields.get(key, "0")])[0]

    @property
    def segmentation(self) -> bool:
        """Whether Slicer wrote the file as a segmentation."""
        return any(key.startswith("Segmentation_") for key in self.pairs)

    def segments(self, layers: int) -> tuple[tuple[str, int, int], ...]:
        """Returns name, layer and label of each segment, in the order of their numbers."""
        found: list[tuple[str, int, int]] = []
        while (name := self.pairs.get(f"Segment{(number := len(found))}_Name")) is not None:
            texts = [self.pairs.get(f"Segment{number}_{key}", default) for key, default in _PLACE_OF_SEGMENT.items()]
            layer, label = header_whole_numbers(self.name, f"the place of segment {number}", texts)
            if not 0 <= layer < layers:
                raise UnsupportedVolumeError(
                    f"{self.name} has {layers} layers, but segment {number} is in layer {layer}. Export it again."
                )
            found.append((name, layer, label))
        return tuple(found)

    def data_names(self) -> list[str]:
        """Returns the names of the data files; none if the voxels follow the header."""
        value = self.fields.get("datafile", "")
        if value.split()[:1] == ["LIST"]:
            return self.listed
        pattern = re.fullmatch(r"(\S*%\d*d\S*) +(-?\d+) +(-?\d+) +(-?\d+)(?: +(\d+))?", value)
        if pattern is None:
            return [value] if value else []
        numbers = [*pattern.groups()[1:4], pattern.group(5) or "1"]
        first, last, step, axes = header_whole_numbers(self.name, "data file", numbers)
        if step == 0 or not 1 <= axes <= self.whole("dimension") or not 0 <= (last - first) // step < _MAX_FILES:
            raise UnsupportedVolumeError(
                f"{self.name} has the impossible data files {quoted(value)}. Correct the header."
            )
        return [pattern.group(1) % n for n in range(first, last + (1 if step > 0 else -1), step)]

    def grid(self) -> tuple[int, Grid]:
        """Returns the number of layers, which is 1 except in segmentations, and the grid of the volume."""
        dimension = self.whole("dimension")
        sizes = header_whole_numbers(self.name, "sizes", self.fields.get("sizes", "").split())
        if not 1 <= dimension <= 16 or len(sizes) != dimension or min(sizes) < 1:
            raise UnsupportedVolumeError(
                f"{self.name} has the impossible dimension {dimension} and sizes {sizes}. Correct the header."
            )
        steps = self._steps(dimension)
        layers, axes = self._volume_axes(sizes, steps)
        size = tuple(sizes[axis] for axis in axes)
        if "spacedirections" not in self.fields:
            self._warn("how it lies (it has no space directions)", "axes to L, P, S and the first voxel at 0, 0, 0")
            return layers, header_grid(self.name, size, [steps[axis][0] for axis in axes], np.zeros(3), np.eye(3))
        signs = self._signs()
        matrix = np.array([steps[axis] for axis in axes]).T * signs[:, None]
        grid = header_grid_of_steps(self.name, size, matrix, self._origin() * signs)
        self._check_spacings(dimension, axes, grid)
        return layers, grid

    def _signs(self) -> NDArray[np.float64]:
        """Returns the signs that turn the axes of the space to LPS."""
        text = self.fields.get("space", "lps")
        space = self._space()
        if space not in _SPACES:
            raise UnsupportedVolumeError(
                f"{self.name} has the space {quoted(text)}, but TumorGen reads {', '.join(_SPACES)}. Correct "
                "the header."
            )
        signs = _SPACES[space]
        if "space" not in self.fields and "spacedimension" not in self.fields:
            self._warn("where left and right are (it has no space)", "the axes of the space as L, P, S")
        if signs is None:
            self._warn(f"where left and right are (its space is {text})", "the axes of the space as L, P, S")
        return np.array(signs or (1, 1, 1), np.float64)

    def _space(self) -> str:
        """Returns the name of the space without a time as fourth dimension."""
        text = self.fields.get("space", "lps").lower()
        return text[:3] if text in ("rast", "last", "lpst") else text.removesuffix("-time")

    def _space_dimensions(self) -> int:
        with_time = self._space() != self.fields.get("space", "lps").lower()
        return self.whole("spacedimension") or (4 if with_time else 3)

    def _check_spacings(self, dimension: int, axes: list[int], grid: Grid) -> None:
        """Warns of a voxel size that stands there beside the directions, and is another one."""
        if "spacings" not in self.fields:
            return
        texts = self.fields["spacings"].replace("none", "nan").split()
        spacings = header_numbers(self.name, "spacings", texts)
        if len(spacings) != dimension or not np.allclose([spacings[axis] for axis in axes], grid.spacing_mm, rtol=0.01):
            warnings.warn(
                f"{self.name} contradicts itself: its spacings are {quoted(self.fields['spacings'])}, but its space "
                f"directions say {' x '.join(f'{step:.4g}' for step in grid.spacing_mm)} mm. The space directions were "
                "taken. Check the place of the volume.",
                VolumeWarning,
                stacklevel=4,
            )

    def _steps(self, dimension: int) -> list[NDArray[np.float64]]:
        """Returns the step of each axis, mm: a vector, or a single number if the header has no directions."""
        directions, spacings = self.fields.get("spacedirections"), self.fields.get("spacings")
        if directions is None and spacings is None:
            raise UnsupportedVolumeError(
                f"{self.name} does not say its voxel size (no space directions and no spacings). Add 'spacings: x y z' "
                "in mm to the header."
            )
        if directions is None:
            scales = self._scales("units", dimension)
            texts = str(spacings).replace("none", "nan").split()
            steps = [np.array([value]) for value in header_numbers(self.name, "spacings", texts)]
        else:
            scales = np.ones(dimension)
            steps = [self._vector(text) for text in re.findall(r"\([^)]*\)|\S+", directions)]
            if any(np.isfinite(step).any() and not np.isfinite(step).all() for step in steps):
                raise UnsupportedVolumeError(
                    f"The space directions {quoted(directions)} of {self.name} have numbers that are not finite. "
                    "Correct the header."
                )
            steps = [step * self._scales("spaceunits", self._space_dimensions())[:3] for step in steps]
        if len(steps) != dimension:
            given = quoted(directions or str(spacings))
            raise UnsupportedVolumeError(
                f"{self.name} has {dimension} axes, but its space directions or spacings {given} are {len(steps)}. "
                "Correct the header."
            )
        return [step * scale for step, scale in zip(steps, scales, strict=True)]

    def _volume_axes(self, sizes: list[int], steps: list[NDArray[np.float64]]) -> tuple[int, list[int]]:
        """Returns the number of layers and the three axes of the volume; every other axis has one element."""
        kinds = self.fields.get("kinds", "").lower().split()
        if len(kinds) not in (0, len(sizes)):
            raise UnsupportedVolumeError(
                f"{self.name} has {len(sizes)} axes, but its kinds {quoted(self.fields['kinds'])} are {len(kinds)}. "
                "Correct the header."
            )
        kinds = kinds or ["???"] * len(sizes)
        axes = [n for n in range(len(sizes)) if np.isfinite(steps[n]).all() and steps[n].any()]
        if len(axes) > 3:
            axes = [n for n in axes if kinds[n] in _PLACE_KINDS]
        while len(axes) > 3 and sizes[axes[-1]] == 1:
            axes.pop()
        if strange := [kinds[n] for n in axes if kinds[n] not in _PLACE_KINDS]:
            raise UnsupportedVolumeError(
                f"{self.name} contradicts itself: an axis of the kind {quoted(strange[0])} has a direction in space. "
                "Correct the header."
            )
        others = [n for n in range(len(sizes)) if n not in axes]
        layers = sizes[0] if self.segmentation and others == [0] and kinds[0] == "list" else 1
        if len(axes) < 3 or (len(sizes) == 3 and others):
            given = quoted(self.fields.get("spacedirections", self.fields.get("spacings", "")))
            raise UnsupportedVolumeError(
                f"The space directions or spacings {given} of {self.name} do not give three axes. Correct the header."
            )
        for axis in others:
            if sizes[axis] > 1 and kinds[axis] not in _FRAME_KINDS | _PLACE_KINDS:
                raise UnsupportedVolumeError(
                    f"{self.name} has {sizes[axis]} components ({quoted(kinds[axis])}), but TumorGen needs one "
                    "real number per voxel. Extract one component first."
                )
        if len(axes) > 3 or (layers == 1 and any(sizes[axis] > 1 for axis in others)):
            raise UnsupportedVolumeError(
                f"{self.name} has {len(sizes)} dimensions {sizes}, but TumorGen needs 3. Extract one frame first."
            )
        return layers, axes

    def _origin(self) -> NDArray[np.float64]:
        text = self.fields.get("spaceorigin")
        if text is None:
            self._warn("where it lies (it has no space origin)", "first voxel at 0, 0, 0")
            return np.zeros(3)
        return self._vector(text) * self._scales("spaceunits", self._space_dimensions())[:3]

    def _vector(self, text: str) -> NDArray[np.float64]:
        """Returns the first three numbers of a vector such as '(1,0,0)', NaN for 'none'; a fourth one is a time."""
        wanted = self._space_dimensions()
        if text == "none":
            return np.full(3, np.nan)
        inside = re.fullmatch(r"\s*\(([^()]*)\)\s*", text)
        numbers = header_numbers(self.name, "the vector", inside.group(1).split(",")) if inside else []
        count = {3: "three", 4: "four"}.get(wanted)
        if count is None or len(numbers) != wanted:
            raise UnsupportedVolumeError(
                f"The vector {quoted(text)} in the header of {self.name} needs {count or 'three'} numbers in "
                f"parentheses, but it has {len(numbers)} in a space of {wanted} dimensions. Correct the header."
            )
        if not np.isfinite(numbers[3:]).all():
            raise UnsupportedVolumeError(
                f"The vector {quoted(text)} in the header of {self.name} has a time that is no number. Correct the "
                "header."
            )
        return np.array(numbers[:3])

    def _scales(self, key: str, count: int) -> NDArray[np.float64]:
        """Returns mm per unit of each axis; absent units are mm."""
        text = self.fields.get(key)
        if text is None:
            return np.ones(count)
        names = [name.strip().lower() for name in re.findall(r'"([^"]*)"', text)]
        if len(names) != count or re.sub(r'"[^"]*"', "", text).strip():
            raise UnsupportedVolumeError(
                f"{self.name} has the units {quoted(text)}, but {count} units in quotation marks are needed. Correct "
                "the header."
            )
        scales = [_MM_PER_UNIT.get(name, math.nan) for name in names]
        if key == "spaceunits" and not np.isfinite(scales).all():
            raise UnsupportedVolumeError(
                f"{self.name} has the space units {quoted(text)}, but TumorGen reads mm, cm, m, um and nm. "
                "Correct the header."
            )
        return np.array(scales)

    def _warn(self, absent: str, taken: str) -> None:
        warnings.warn(
            f"{self.name} does not say {absent}. TumorGen takes {taken}. Check the place of the volume.",
            VolumeWarning,
            stacklevel=4,
        )


def _read_lines(name: str, file: BinaryIO) -> tuple[dict[str, str], list[str], dict[str, str]]:
    """Returns the fields of a header, the lines after 'data file: LIST', and the free pairs of key and value."""
    if not re.match(rb"NRRD000[1-9]\s*$", file.readline(64)):
        raise UnsupportedVolumeError(f"{name} is not an NRRD file. Give NIfTI, NRRD, MHA or a DICOM folder.")
    fields: dict[str, str] = {}
    listed: list[str] = []
    pairs: dict[str, str] = {}
    # A detached header may end without the blank line.
    while content := file.readline(_MAX_HEADER_BYTES):
        if file.tell() > _MAX_HEADER_BYTES:
            raise UnsupportedVolumeError(
                f"The header of {name} is longer than {_MAX_HEADER_BYTES >> 20} MiB. Export it again."
            )
        line = header_line(name, content)
        if not line:
            break
        if fields.get("datafile", "").split()[:1] == ["LIST"]:
            listed.append(line.strip())
            continue
        if line.startswith("#"):
            continue
        if pair := re.fullmatch(r"([^:]*):=(.*)", line):
            pairs[pair.group(1)] = pair.group(2)
            continue
        key, colon, value = line.partition(":")
        if not colon or value[:1].strip():
            raise UnsupportedVolumeError(
                f"The header of {name} has the line {quoted(line)}, which is no NRRD field. Correct the header."
            )
        key = key.replace(" ", "").lower()
        if key in fields:
            raise UnsupportedVolumeError(
                f"{name} has two values of {quoted(key)} in its header: {quoted(fields[key])} and "
                f"{quoted(value.strip())}. Delete the wrong one."
            )
        fields[key] = value.strip()
    return fields, listed, pairs
