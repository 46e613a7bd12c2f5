"""Reads the voxels that a header describes, within bounds on memory and time.

The bounds: 16 GiB of voxels, and 64 MiB of other data before or after them.
"""

from __future__ import annotations

import bz2
import gzip
import math
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from TumorGenCore.errors import UnsupportedVolumeError, VolumeWarning
from TumorGenCore.volumes.header_text import quoted

__all__ = [
    "MAX_OTHER_BYTES",
    "check_size",
    "data_files",
    "decoded",
    "fill_voxels",
    "scaled",
    "share_of_file",
    "skip_bytes",
    "skip_to_last",
]

MAX_OTHER_BYTES = 64 << 20
_MAX_VOXEL_BYTES = 16 << 30
_CHUNK = 1 << 20
_GZIP_MARK = b"\x1f\x8b"
#: Most bytes of voxels in a byte of a file. A number of text needs a digit and a space.
_MOST_OF_A_BYTE = {"raw": 1.0, "deflate": 1032.0, "bzip2": 2e6, "hex": 0.5}
#: Most bytes of a number of text, and of a byte in hex, with the white space between.
_MOST_TEXT, _MOST_HEX = 64, 4


def check_size(name: str, size_ijk: Sequence[int], dtype: DTypeLike) -> int:
    """Returns how many bytes the voxels need.

    Args:
        name: name of the file, for messages.
        size_ijk: voxels along each axis.
        dtype: type of a voxel.

    Raises:
        UnsupportedVolumeError: an axis is empty, or the voxels need more than 16 GiB.
    """
    if min(size_ijk) < 1:
        raise UnsupportedVolumeError(f"{name} has the impossible size {tuple(size_ijk)} voxels. Export it again.")
    wanted = math.prod(size_ijk) * np.dtype(dtype).itemsize
    if wanted > _MAX_VOXEL_BYTES:
        raise UnsupportedVolumeError(
            f"The header of {name} claims {tuple(size_ijk)} voxels, {wanted / 2**30:.0f} GiB, but TumorGen reads at "
            "most 16 GiB. Crop or resample the volume, or correct the header."
        )
    return wanted


def data_files(name: str, folder: Path, names: Sequence[str], slices: int) -> list[Path]:
    """Returns the paths of the data files that a detached header names.

    Args:
        name: name of the header's file, for messages.
        folder: folder of the header.
        names: names of the data files.
        slices: slices of the volume, which the files share.

    Raises:
        UnsupportedVolumeError: one of them does not exist, or they cannot share the slices.
    """
    if names and slices % len(names) and len(names) % slices:
        raise UnsupportedVolumeError(
            f"The header of {name} claims {slices} slices, but {len(names)} data files cannot share them. Correct the "
            "header."
        )
    paths = [folder / each for each in names]
    for path in paths:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for impossible names
            raise UnsupportedVolumeError(
                f"{name} says that its voxels are in {quoted(path.name)}, but {folder} has no such file. Put it there."
            )
    return paths


def skip_bytes(name: str, stream: BinaryIO | gzip.GzipFile, count: int) -> None:
    """Skips ``count`` bytes of a stream, which may be compressed.

    Raises:
        UnsupportedVolumeError: the header asks to skip more than 64 MiB, or less than nothing.
    """
    if not 0 <= count <= MAX_OTHER_BYTES:
        raise UnsupportedVolumeError(
            f"The header of {name} asks to skip {count} bytes before the voxels; from 0 to {MAX_OTHER_BYTES} are "
            "possible. Correct the header."
        )
    stream.read(count)


def skip_to_last(stream: BinaryIO, wanted: int) -> None:
    """Goes to the last ``wanted`` bytes of a file.

    Raises:
        EOFError: they begin before the present place, which is the end of the header.
    """
    here = stream.tell()
    start = stream.seek(0, os.SEEK_END) - wanted
    if start < here:
        raise EOFError(f"{wanted + start - here} bytes of data cannot hold {wanted} bytes of voxels")
    stream.seek(start)


def share_of_file(name: str, pieces: Iterable[bytes], share: int) -> Iterator[bytes]:
    """Yields the voxels of one of several data files.

    Raises:
        UnsupportedVolumeError: the file does not hold exactly ``share`` bytes of voxels; another number would move all
            voxels of the next files.
    """
    count = 0
    for piece in pieces:
        count += len(piece)
        yield piece
    if count != share:
        raise UnsupportedVolumeError(
            f"A data file of {name} holds {count} bytes of voxels, but its share is {share}. Export it again."
        )


def decoded(stream: BinaryIO | gzip.GzipFile, encoding: str, wanted: int, dtype: np.dtype) -> Iterator[bytes]:
    """Returns the bytes of the voxels in pieces.

    Args:
        stream: file, at the first byte of the encoded voxels.
        encoding: "raw", "deflate" (gzip or zlib), "bzip2", "hex" or "text" (numbers with white space between them).
        wanted: bytes of all voxels, to refuse a header that claims too much before memory is taken.
        dtype: type of the numbers of "text".

    Raises:
        EOFError, OSError, ValueError, zlib.error: the data are damaged.
    """
    if not isinstance(stream, gzip.GzipFile):  # whose end is far to find
        _check_room(stream, _MOST_OF_A_BYTE.get(encoding, dtype.itemsize / 2), wanted)
    if encoding == "text":
        tokens = _whole(stream, wanted // dtype.itemsize * _MOST_TEXT).replace(b",", b" ").split()
        if any(b"_" in token for token in tokens):  # which NumPy takes for numbers
            raise ValueError("the voxels are no numbers")
        yield np.array(tokens, dtype="S").astype(dtype).tobytes() if tokens else b""
    elif encoding == "hex":
        yield bytes.fromhex(_whole(stream, wanted * _MOST_HEX).decode("ascii"))
    elif encoding == "bzip2":
        with bz2.BZ2File(stream) as inflated:
            yield from _pieces(inflated)
    elif encoding == "deflate":
        here = stream.tell()
        mark = stream.read(2)
        stream.seek(here)
        if mark == _GZIP_MARK:
            with gzip.GzipFile(fileobj=stream) as inflated:
                yield from _pieces(inflated)
        else:
            yield from _zlib_pieces(stream)
    else:
        yield from _pieces(stream)


def _check_room(stream: BinaryIO, most_of_a_byte: float, wanted: int) -> None:
    """Refuses a header that claims more than the rest of its file can hold, before any memory is taken."""
    here = stream.tell()
    size = stream.seek(0, os.SEEK_END) - here
    stream.seek(here)
    if wanted > size * most_of_a_byte + _CHUNK:
        raise EOFError(f"{size} bytes of data cannot hold {wanted} bytes of voxels")


def _whole(stream: BinaryIO | gzip.GzipFile, most: int) -> bytes:
    """Returns the rest of a stream, piece by piece, because one large read takes memory for all that was asked for."""
    content = bytearray()
    for piece in _pieces(stream):
        content += piece
        if len(content) > most + MAX_OTHER_BYTES:
            raise ValueError(f"it goes on for more than {MAX_OTHER_BYTES >> 20} MiB after the voxels")
    return bytes(content)


def _pieces(stream: BinaryIO | gzip.GzipFile | bz2.BZ2File) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK):
        yield piece


def _zlib_pieces(stream: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    while not inflater.eof:
        compressed = inflater.unconsumed_tail or stream.read(_CHUNK)
        piece = inflater.decompress(compressed, _CHUNK)
        if not compressed and not piece and not inflater.eof:
            raise EOFError("the compressed data end early")
        yield piece


def fill_voxels(name: str, pieces: Iterable[bytes], size_ijk: Sequence[int], dtype: DTypeLike) -> NDArray:
    """Fills an array with the bytes of the voxels.

    Args:
        name: name of the file, for messages.
        pieces: bytes of the voxels, i fastest.
        size_ijk: voxels along i, j, k.
        dtype: type of a voxel in the file, with its byte order.

    Returns:
        Array (k, j, i) in native byte order.

    Warns:
        VolumeWarning: the file holds at least one slice more than its header says.

    Raises:
        UnsupportedVolumeError: there are fewer bytes than voxels need, or more than 64 MiB too many.
    """
    stored = np.dtype(dtype)
    wanted = check_size(name, size_ijk, stored)
    voxels = np.empty(0, np.uint8)
    count = 0
    for piece in pieces:
        if not len(voxels):  # only now: before the first piece, the claim of the header is checked against the file
            voxels = np.empty(wanted, np.uint8)
        if count < wanted:
            part = piece[: wanted - count]
            voxels[count : count + len(part)] = np.frombuffer(part, np.uint8)
        count += len(piece)
        if count > wanted + MAX_OTHER_BYTES:
            raise UnsupportedVolumeError(
                f"{name} goes on for more than {MAX_OTHER_BYTES >> 20} MiB after the {wanted} bytes of voxels that "
                "its header claims. Correct the header."
            )
    if count < wanted:
        raise UnsupportedVolumeError(
            f"{name} is truncated: it has {count} of {wanted} bytes of voxels. Export it again."
        )
    i, j, k = size_ijk
    if count - wanted >= wanted // k:
        warnings.warn(
            f"{name} holds {count} bytes of voxels, but its header claims {wanted} ({i} x {j} x {k} voxels). The "
            "first voxels were taken. Check the size in the header.",
            VolumeWarning,
            stacklevel=2,
        )
    return voxels.view(stored).reshape(k, j, i).astype(stored.newbyteorder("="), copy=False)


def scaled(voxels: NDArray, slope: float, intercept: float) -> NDArray:
    """Returns slope * voxels + intercept as float32, or as float64 if the voxels are float64."""
    if (slope, intercept) == (1.0, 0.0):
        return voxels
    kind = np.float64 if voxels.dtype == np.float64 else np.float32
    with np.errstate(over="ignore"):  # the check of the volume finds an Inf
        return (voxels.astype(np.float64) * slope + intercept).astype(kind)
