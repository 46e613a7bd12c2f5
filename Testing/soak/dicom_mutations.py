"""Damages tags and files of a DICOM series."""

from __future__ import annotations

import re
import struct

import numpy as np
from good_inputs import Files
from mutations import NO_NUMBERS, ODD_NUMBERS, Change, change_bytes, in_file, needs_every_byte, pick

__all__ = ["change_dicom"]


#: Tag, type and whether a slice cannot be read without it.
_DICOM_TAGS = {
    (0x28, 0x1053): ("DS", True),
    (0x28, 0x1052): ("DS", False),
    (0x28, 0x30): ("DS", True),
    (0x20, 0x32): ("DS", True),
    (0x20, 0x37): ("DS", True),
    (0x28, 0x10): ("US", True),
    (0x28, 0x11): ("US", True),
    (0x28, 0x100): ("US", True),
    (0x28, 0x101): ("US", False),
    (0x28, 0x102): ("US", False),
    (0x28, 0x103): ("US", False),
    (0x28, 0x2): ("US", False),
    (0x28, 0x4): ("CS", False),
    (0x54, 0x1001): ("CS", True),
    (0x28, 0x51): ("CS", False),
    (0x54, 0x1102): ("CS", False),
    (0x10, 0x1030): ("DS", False),
    (0x8, 0x21): ("DA", False),
    (0x8, 0x31): ("TM", False),
    (0x8, 0x22): ("DA", False),
    (0x8, 0x32): ("TM", False),
    (0x20, 0xE): ("UI", True),
    (0x8, 0x16): ("UI", False),
    (0x54, 0x81): ("US", False),
    (0x54, 0x1300): ("DS", False),
    (0x18, 0x1074): ("DS", False),
    (0x18, 0x1075): ("DS", False),
    (0x18, 0x1072): ("TM", False),
    (0x20, 0x52): ("UI", False),
    (0x2, 0x10): ("UI", False),
    (0x54, 0x1000): ("CS", False),
    (0x7FE0, 0x10): ("OW", True),
}
_DICOM_TEXTS = {
    "CS": (
        "",
        "BQML",
        "GML",
        "CNTS",
        "PROPCPS",
        "START",
        "NONE",
        "ADMIN",
        "RGB",
        "MONOCHROME1",
        "ATTN",
        "ATTN\\DECY",
        "DYNAMIC\\IMAGE",
    ),
    "TM": ("", "10", "1000", "095959.999999", "250000", "10:00:00", "235959", "x", "000000"),
    "DA": ("", "20240103", "20240101", "2024.01.02", "20241399", "18000101", "x"),
    "UI": (
        "",
        "1.2.3",
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.4.70",
        "x",
    ),
}


def change_dicom(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    """Damages a tag in one slice or in all, bytes of a slice, or the files of the folder."""
    name = str(pick(rng, sorted(files)))
    way = rng.random()
    if way < 0.1:
        return _dicom_folder(rng, files, name)
    if way < 0.3 or b"1.2.840.10008.1.2.1\0" not in files[name][:400]:
        one = change_bytes(rng, files[name])
        # The last 8 bytes of compressed pixels only say that they are over; a deflated file ends with padding.
        syntax = re.search(rb"1\.2\.840\.10008\.1\.2\.[15.9]+", files[name][:400])
        whole = one.shortened <= {b"1.2.840.10008.1.2.5": 8, b"1.2.840.10008.1.2.1.99": 1}.get(
            syntax[0] if syntax else b"", 0
        )
        return in_file(files, name, one if whole else needs_every_byte(one))
    tag = pick(rng, list(_DICOM_TAGS))
    vr, needed = _DICOM_TAGS[tag]
    value = _dicom_value(rng, vr)
    everywhere = rng.random() < 0.5
    changed = {n: _set_element(c, tag, vr, value) if everywhere or n == name else c for n, c in files.items()}
    wrong = (
        value is None
        or value.strip() == b""
        or (vr == "DS" and any(p.decode() in NO_NUMBERS for p in value.split(b"\\")))
    )
    now = "absent" if value is None else repr(value[:40])
    how = f"{'all slices' if everywhere else name}: ({tag[0]:04x},{tag[1]:04x}) is now {now}"
    return changed, Change(b"", how, "a needed tag has no value" if wrong and needed and changed != files else "")


def _dicom_folder(rng: np.random.Generator, files: Files, name: str) -> tuple[Files, Change]:
    way = str(pick(rng, ("remove", "twice", "text", "empty", "renamed")))
    if way == "remove":
        inner = name in sorted(files)[1:-1] and len(files) > 3
        return {n: c for n, c in files.items() if n != name}, Change(
            b"", f"{name} is missing", "a slice is missing" * inner
        )
    if way == "twice":
        return {**files, "series/copy.dcm": files[name]}, Change(
            b"", f"{name} is there twice", "two slices lie in one place"
        )
    if way == "text":
        return {**files, "series/notes.txt": b"see the report"}, Change(b"", "a text file is beside them")
    if way == "empty":
        return {**files, name: b""}, Change(b"", f"{name} is empty", "a slice is empty")
    return {("series/x" if n == name else n): c for n, c in files.items()}, Change(b"", f"{name} has another name")


def _dicom_value(rng: np.random.Generator, vr: str) -> bytes | None:
    if rng.random() < 0.15:
        return None
    if vr == "DS":
        count = int(pick(rng, (1, 1, 2, 3, 6)))
        return "\\".join(str(pick(rng, NO_NUMBERS + ODD_NUMBERS))[:16] for _ in range(count)).encode()
    if vr == "US":
        return struct.pack("<H", int(pick(rng, (0, 1, 2, 3, 4, 8, 12, 16, 32, 65535)))) * int(
            pick(rng, (0, 1, 1, 1, 2))
        )
    if vr == "OW":
        return rng.bytes(int(pick(rng, (0, 2, 12, 23, 24, 26, 1000))))
    return str(pick(rng, _DICOM_TEXTS[vr])).encode()


def _set_element(content: bytes, tag: tuple[int, int], vr: str, value: bytes | None) -> bytes:
    """Replaces or removes the first element with a tag, in explicit little endian; lengths around it stay."""
    long = vr == "OW"
    mark = struct.pack("<HH", *tag) + vr.encode()
    start = content.find(mark)
    if start < 0:
        return content
    head = 12 if long else 8
    (length,) = struct.unpack_from("<I" if long else "<H", content, start + head - (4 if long else 2))
    new = b""
    if value is not None:
        value += (b"\0" if vr in ("UI", "OW", "US") else b" ") * (len(value) % 2)
        new = mark + (b"\0\0" + struct.pack("<I", len(value)) if long else struct.pack("<H", len(value))) + value
    return content[:start] + new + content[start + head + length :]
