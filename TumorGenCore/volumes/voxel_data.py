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

__all__ = ["MAX_OTHER_BYTES", "check_size", "data_files", "decoded", "fill_voxels", "scaled", "skip_bytes"]

MAX_OTHER_BYTES = 64 << 20
_MAX_VOXEL_BYTES = 16 << 30
_CHUNK = 1 << 20
_GZIP_MARK = b"\x1f\x8b"
#: Deflate, the method of gzip and zlib, never makes data smaller than this.
_MAX_DEFLATE_RATIO = 1032


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


def data_files(name: str, folder: Path, names: Iterable[str]) -> list[Path]:
    """Returns the paths of the data files that a detached header names.

    Raises:
        UnsupportedVolumeError: one of them does not exist.
    """
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
    if encoding == "text":
        tokens = stream.read(_MAX_VOXEL_BYTES).replace(b",", b" ").split()
        yield np.array(tokens, dtype="S").astype(dtype).tobytes() if tokens else b""
    elif encoding == "hex":
        yield bytes.fromhex(stream.read(_MAX_VOXEL_BYTES).decode("ascii"))
    elif encoding == "bzip2":
        with bz2.BZ2File(stream) as inflated:
            yield from _pieces(inflated)
    elif encoding == "deflate":
        here = stream.tell()
        size = stream.seek(0, os.SEEK_END) - here
        stream.seek(here)
        if wanted > size * _MAX_DEFLATE_RATIO + _CHUNK:
            raise EOFError(f"{size} bytes of compressed data cannot hold {wanted} bytes of voxels")
        mark = stream.read(2)
        stream.seek(here)
        if mark == _GZIP_MARK:
            with gzip.GzipFile(fileobj=stream) as inflated:
                yield from _pieces(inflated)
        else:
            yield from _zlib_pieces(stream)
    else:
        yield from _pieces(stream)


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
    voxels = np.empty(wanted, np.uint8)
    count = 0
    for piece in pieces:
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
