"""Damages the fields of a NIfTI header, and compressed NIfTI files."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import replace

import numpy as np
from good_inputs import Files
from mutations import Change, change_bytes, in_file, needs_every_byte, pick

__all__ = ["change_nifti", "change_nifti_gz"]


_NIFTI_FIELDS = {
    "sizeof_hdr": (0, "i"),
    "dim_info": (39, "b"),
    **{f"dim{n}": (40 + 2 * n, "h") for n in range(8)},
    "intent_code": (68, "h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    **{f"pixdim{n}": (76 + 4 * n, "f") for n in range(8)},
    "vox_offset": (108, "f"),
    "scl_slope": (112, "f"),
    "scl_inter": (116, "f"),
    "xyzt_units": (123, "b"),
    "cal_max": (124, "f"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    **{f"quatern{n}": (256 + 4 * n, "f") for n in range(3)},
    **{f"qoffset{n}": (268 + 4 * n, "f") for n in range(3)},
    **{f"srow{n}": (280 + 4 * n, "f") for n in range(12)},
    "magic": (344, "i"),
    "extension": (348, "i"),
}
_ODD_FLOATS = (
    0.0,
    -1.0,
    1.0,
    -0.5,
    2.0,
    0.1,
    1e3,
    1e30,
    1e-30,
    float("nan"),
    float("inf"),
    float("-inf"),
    353.0,
    352.5,
)
_ODD_WHOLES = (0, 1, 2, -1, 3, 4, 5, 8, 16, 64, 127, 128, 255, 512, 768, 32767, -32768, 2**31 - 1)


def change_nifti(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    """Damages fields or bytes of a NIfTI file."""
    (name,) = files
    return in_file(files, name, _nifti_change(rng, files[name]))


def _nifti_change(rng: np.random.Generator, content: bytes) -> Change:
    way = rng.random()
    if way < 0.35 or len(content) < 352:
        return needs_every_byte(change_bytes(rng, content))
    changed = bytearray(content)
    order = "<" if content[40] in range(1, 8) else ">"
    if way < 0.9:
        field = str(pick(rng, list(_NIFTI_FIELDS)))
        place, kind = _NIFTI_FIELDS[field]
        limit = 2 ** (8 * struct.calcsize(kind) - 1)
        value = pick(rng, _ODD_FLOATS) if kind == "f" else (int(pick(rng, _ODD_WHOLES)) + limit) % (2 * limit) - limit
        struct.pack_into(order + kind, changed, place, value)
        return Change(bytes(changed), f"{field} is now {value}")
    if way < 0.95:
        names = [str(pick(rng, [n for n in _NIFTI_FIELDS if _NIFTI_FIELDS[n][1] == "f"])) for _ in range(2)]
        (a, _), (b, _) = (_NIFTI_FIELDS[n] for n in names)
        changed[a : a + 4], changed[b : b + 4] = content[b : b + 4], content[a : a + 4]
        return Change(bytes(changed), f"{names[0]} and {names[1]} changed places")
    for place, kind in _NIFTI_FIELDS.values():
        size = struct.calcsize(kind)
        changed[place : place + size] = content[place : place + size][::-1]
    return Change(bytes(changed), "byte order of the header turned")


def change_nifti_gz(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    """Damages a compressed NIfTI file, inside or outside the compression."""
    (name,) = files
    if rng.random() < 0.5:
        try:
            inside = _nifti_change(rng, gzip.decompress(files[name]))
        except (EOFError, OSError, zlib.error):
            inside = change_bytes(rng, files[name])
            return in_file(files, name, inside)
        return in_file(files, name, replace(inside, content=gzip.compress(inside.content, mtime=0)))
    return in_file(files, name, needs_every_byte(change_bytes(rng, files[name])))
