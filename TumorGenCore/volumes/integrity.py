"""Finds damage and broken headers that ITK would read without a warning.

Measured with ITK 5.4: it fills up a truncated NIfTI file with zeros, compressed or not. It changes a NIfTI pixdim of 0
or NaN to 1, and NaN and Inf in a NIfTI file to 0. It changes an NRRD axis without a direction to a unit axis. It
accepts flipped bits in compressed data in all formats.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from TumorGenCore.errors import UnsupportedVolumeError

__all__ = ["check_file"]

_CHUNK = 1 << 20
_NIFTI_FLOATS = {16: "f4", 64: "f8"}


def check_file(path: Path) -> None:
    """Checks an existing NIfTI, NRRD or MetaImage file without loading all its voxels into memory.

    Raises:
        UnsupportedVolumeError: the file is truncated or damaged, or ITK would replace one of its header values.
    """
    name = path.name.lower()
    try:
        if name.endswith((".nii", ".nii.gz")):
            _check_nifti(path)
        elif name.endswith((".nrrd", ".nhdr")):
            _check_nrrd(path)
        else:
            _check_metaimage(path)
    except (EOFError, OSError, OverflowError, ValueError, zlib.error) as error:
        raise UnsupportedVolumeError(f"{path.name} is truncated or damaged ({error}). Export it again.") from error


def _check_nifti(path: Path) -> None:
    compressed = path.name.lower().endswith(".gz")
    with gzip.open(path) if compressed else path.open("rb") as stream:
        header = stream.read(348)
        kind = _nifti_floats(header)
        if kind or compressed:
            count, finite = _scan_nifti(stream, header, kind)
            size = len(header) + count
        else:
            size, finite = path.stat().st_size, True
    if header[:4] in (struct.pack("<i", 540), struct.pack(">i", 540)):
        raise UnsupportedVolumeError(f"{path.name} is NIfTI-2, which ITK cannot read. Convert it to NIfTI-1 or NRRD.")
    if header[:4] not in (struct.pack("<i", 348), struct.pack(">i", 348)):
        raise UnsupportedVolumeError(f"{path.name} is not a NIfTI file. Give NIfTI, NRRD, MHA or a DICOM folder.")
    if len(header) < 348:
        raise UnsupportedVolumeError(f"{path.name} is truncated within its header. Export it again.")
    order = "<" if header[0] else ">"
    dim = struct.unpack_from(order + "8h", header, 40)
    (bits,) = struct.unpack_from(order + "h", header, 72)
    pixdim = struct.unpack_from(order + "8f", header, 76)
    (offset,) = struct.unpack_from(order + "f", header, 108)
    axes = dim[0]
    if not 1 <= axes <= 7 or min(dim[1 : axes + 1]) < 1:
        raise UnsupportedVolumeError(f"{path.name} has the impossible dimensions {dim}. Export it again.")
    if any(not math.isfinite(step) or step == 0 for step in pixdim[1 : min(axes, 3) + 1]):
        raise UnsupportedVolumeError(
            f"The voxel spacing (pixdim) {pixdim[1:4]} of {path.name} must be positive. Correct the header."
        )
    expected = int(offset) + math.prod(dim[1 : axes + 1]) * bits // 8
    if size < expected:
        raise UnsupportedVolumeError(f"{path.name} is truncated: it has {size} of {expected} bytes. Export it again.")
    if not finite:
        raise UnsupportedVolumeError(f"{path.name} holds NaN or Inf. Replace these values by numbers first.")


def _nifti_floats(header: bytes) -> str:
    """Returns the NumPy name of the voxel type if it is a floating-point type, else an empty string."""
    order = {struct.pack("<i", 348): "<", struct.pack(">i", 348): ">"}.get(header[:4])
    if order is None or len(header) < 348:
        return ""
    (code,) = struct.unpack_from(order + "h", header, 70)
    return order + _NIFTI_FLOATS[code] if code in _NIFTI_FLOATS else ""


def _scan_nifti(stream: BinaryIO | gzip.GzipFile, header: bytes, kind: str) -> tuple[int, bool]:
    """Returns the bytes from the header to the end of the stream, and whether all floating-point voxels are finite."""
    if not kind:
        return _count_rest(stream), True
    (offset,) = struct.unpack_from(kind[0] + "f", header, 108)
    count, finite = len(stream.read(max(0, int(offset) - len(header)))), True
    width = np.dtype(kind).itemsize
    while chunk := stream.read(_CHUNK):
        count += len(chunk)
        finite &= bool(np.isfinite(np.frombuffer(chunk[: len(chunk) // width * width], kind)).all())
    return count, finite


def _check_nrrd(path: Path) -> None:
    with path.open("rb") as stream:
        header = re.match(rb"NRRD.*?\r?\n\r?\n", stream.read(_CHUNK), re.DOTALL)
        # A detached header (.nhdr) may end without the blank line.
        text = header.group() if header else path.read_bytes()[:_CHUNK] if path.suffix.lower() == ".nhdr" else b""
        if not text.startswith(b"NRRD"):
            raise UnsupportedVolumeError(f"{path.name} is not an NRRD file. Give NIfTI, NRRD, MHA or a DICOM folder.")
        fields = dict(re.findall(r"^([a-z ]+): *(.*?)\r?$", text.decode("utf-8", "replace"), re.MULTILINE))
        directions = fields.get("space directions")
        if directions is not None:
            vectors = [[float(v) for v in triple.split(",")] for triple in re.findall(r"\(([^)]*)\)", directions)]
            if sum(all(map(math.isfinite, vector)) for vector in vectors) < 3:
                raise UnsupportedVolumeError(
                    f"The space directions {directions} of {path.name} do not give three axes. Correct the header."
                )
        if fields.get("encoding", "").lower() in ("gzip", "gz"):
            data_file = fields.get("data file", fields.get("datafile"))
            if data_file is None:
                stream.seek(len(text))
                _count_rest(gzip.GzipFile(fileobj=stream))
            elif (path.parent / data_file).is_file():
                with gzip.open(path.parent / data_file) as data:
                    _count_rest(data)


def _check_metaimage(path: Path) -> None:
    with path.open("rb") as stream:
        header = re.match(rb".*?ElementDataFile *= *([^\r\n]*)\r?\n?", stream.read(_CHUNK), re.DOTALL)
        if header is None:
            raise UnsupportedVolumeError(
                f"{path.name} is not a MetaImage file. Give NIfTI, NRRD, MHA or a DICOM folder."
            )
        if not re.search(rb"^CompressedData *= *True", header.group(), re.MULTILINE):
            return
        data_file = header.group(1).decode("utf-8", "replace").strip()
        if data_file.upper() == "LOCAL":
            stream.seek(header.end())
            _inflate_rest(stream)
        elif (path.parent / data_file).is_file():
            with (path.parent / data_file).open("rb") as data:
                _inflate_rest(data)


def _count_rest(stream: BinaryIO | gzip.GzipFile) -> int:
    """Counts the bytes to the end of the stream; reading them also verifies the checksum of gzip."""
    count = 0
    while chunk := stream.read(_CHUNK):
        count += len(chunk)
    return count


def _inflate_rest(stream: BinaryIO) -> None:
    """Inflates the zlib or gzip data of a MetaImage file to verify the checksum."""
    inflater = zlib.decompressobj(wbits=47)
    while not inflater.eof and (chunk := stream.read(_CHUNK)):
        inflater.decompress(chunk)
    if not inflater.eof:
        raise EOFError("the compressed data end early")
