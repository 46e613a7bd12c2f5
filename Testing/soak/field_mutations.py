"""Damages the fields of each format: numbers, tags, entries, cells. Each input can be made again from its name."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from good_inputs import Files, good_inputs
from mutations import NO_NUMBERS, ODD_NUMBERS, Change, change_bytes, change_encoding, change_lines, change_number, pick

__all__ = ["Input", "make_input"]


@dataclass(frozen=True)
class Input:
    """A damaged input.

    Args:
        name: kind and number, from which ``make_input`` makes it again.
        kind: see ``good_inputs.SHARES``.
        files: content of each file.
        main: the file or folder that is read.
        how: what was changed.
        corrupt: why nobody can take it for good; empty if a reader may.
    """

    name: str
    kind: str
    files: Files
    main: str
    how: str
    corrupt: str


def make_input(name: str) -> Input:
    """Makes the input of a name such as ``nrrd/17``."""
    kind, number = name.split("/")
    rng = np.random.default_rng([zlib.crc32(kind.encode()), int(number)])
    files = dict(pick(rng, good_inputs(kind)))  # type: ignore[call-overload]
    first = next(iter(files))
    count = int(rng.choice([1, 1, 1, 1, 2, 3]))
    said: list[str] = []
    corrupt = ""
    for _ in range(count):
        files, change = _WAYS[kind](rng, files)
        said.append(change.how)
        corrupt = change.corrupt
    main = first.split("/", maxsplit=1)[0]
    return Input(name, kind, files, main, "; ".join(said), corrupt if count == 1 else "")


def _one(rng: np.random.Generator, files: Files, name: str, change: Change) -> tuple[Files, Change]:
    return {**files, name: change.content}, replace(change, how=f"{name}: {change.how}")


def _needs_every_byte(change: Change, why: str = "the end is missing") -> Change:
    return replace(change, corrupt=why) if change.shortened else change


# NIfTI

_NIFTI_FIELDS = {
    "sizeof_hdr": (0, "i"), "dim_info": (39, "b"), **{f"dim{n}": (40 + 2 * n, "h") for n in range(8)},
    "intent_code": (68, "h"), "datatype": (70, "h"), "bitpix": (72, "h"), **{f"pixdim{n}": (76 + 4 * n, "f") for n in range(8)},
    "vox_offset": (108, "f"), "scl_slope": (112, "f"), "scl_inter": (116, "f"), "xyzt_units": (123, "b"), "cal_max": (124, "f"),
    "qform_code": (252, "h"), "sform_code": (254, "h"), **{f"quatern{n}": (256 + 4 * n, "f") for n in range(3)},
    **{f"qoffset{n}": (268 + 4 * n, "f") for n in range(3)}, **{f"srow{n}": (280 + 4 * n, "f") for n in range(12)},
    "magic": (344, "i"), "extension": (348, "i"),
}  # fmt: skip
_ODD_FLOATS = (0.0, -1.0, 1.0, -0.5, 2.0, 0.1, 1e3, 1e30, 1e-30, float("nan"), float("inf"), float("-inf"), 353.0, 352.5)
_ODD_WHOLES = (0, 1, 2, -1, 3, 4, 5, 8, 16, 64, 127, 128, 255, 512, 768, 32767, -32768, 2**31 - 1)


def _nifti(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    (name,) = files
    return _one(rng, files, name, _nifti_change(rng, files[name]))


def _nifti_change(rng: np.random.Generator, content: bytes) -> Change:
    way = rng.random()
    if way < 0.35 or len(content) < 352:
        return _needs_every_byte(change_bytes(rng, content))
    changed = bytearray(content)
    order = "<" if content[40] in range(1, 8) else ">"
    if way < 0.9:
        field = str(pick(rng, list(_NIFTI_FIELDS)))
        place, kind = _NIFTI_FIELDS[field]
        limit = 2 ** (8 * struct.calcsize(kind) - 1)
        value = pick(rng, _ODD_FLOATS) if kind == "f" else (int(pick(rng, _ODD_WHOLES)) + limit) % (2 * limit) - limit  # type: ignore[call-overload]
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


def _nifti_gz(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    (name,) = files
    if rng.random() < 0.5:
        try:
            inside = _nifti_change(rng, gzip.decompress(files[name]))
        except (EOFError, OSError, zlib.error):
            inside = change_bytes(rng, files[name])
            return _one(rng, files, name, inside)
        return _one(rng, files, name, replace(inside, content=gzip.compress(inside.content, mtime=0)))
    return _one(rng, files, name, _needs_every_byte(change_bytes(rng, files[name])))


# NRRD and MetaImage: a text header, then voxels or the names of their files

_NRRD_DECISIVE = r"(?i)(sizes|dimension|space directions|space origin|spacings|byte skip|line skip):"
_META_DECISIVE = r"(NDims|DimSize|ElementSpacing|Offset|TransformMatrix|HeaderSize) ="
_NRRD_VALUES = (
    "type: uint8", "type: double", "type: block", "type: unsigned long long", "encoding: raw", "encoding: gzip", "encoding: hex",
    "encoding: ascii", "encoding: bzip2", "encoding: zrl", "endian: big", "endian: little", "endian: middle", "space: RAS", "space: LPS",
    "space: scanner-xyz", "space: 3D-right-handed", "space: left-anterior-superior", "space dimension: 3", "space dimension: 2",
    'space units: "m" "m" "m"', 'space units: "furlong" "mm" "mm"', "kinds: domain domain vector", "kinds: list domain domain domain",
    "byte skip: -1", "byte skip: 4", "line skip: 1", "line skip: -1", "sizes: 3 4 5", "sizes: 5 12", "sizes: 60", "dimension: 4",
    "spacings: 1 1 1", "spacings: nan 1 1", "space directions: none none none", "data file: /dev/zero", "data file: ../case.nrrd",
    "data file: x%d.raw 1 99999999 1", "data file: LIST", "axis mins: 0 0 0", "centerings: node node node", "thicknesses: 2 2 2",
    "measurement frame: (1,0,0) (0,1,0) (0,0,1)", "old min: 0", "block size: 4", "number: 60", "content: x", "sample units: SUV",
)  # fmt: skip
_META_VALUES = (
    "ObjectType = Tube", "NDims = 2", "NDims = 4", "NDims = 1000", "NDims = -1", "BinaryData = False", "BinaryData = Maybe",
    "BinaryDataByteOrderMSB = True", "ElementByteOrderMSB = True", "CompressedData = True", "CompressedData = False",
    "CompressedDataSize = 3", "CompressedDataSize = -1", "CompressedDataSize = 99999999999", "DimSize = 3 4 5", "DimSize = 60",
    "DimSize = 5 4", "ElementSpacing = 1 1", "ElementSize = 9 9 9", "ElementSpacing = -4 4 3", "Position = 0 0 0", "Origin = 7 7 7",
    "Orientation = 0 1 0 1 0 0 0 0 1", "Rotation = 1 0 0 0 1 0 0 0 -1", "CenterOfRotation = 5 5 5", "AnatomicalOrientation = RAS",
    "ElementType = MET_DOUBLE", "ElementType = MET_UCHAR", "ElementType = MET_UCHAR_ARRAY", "ElementType = MET_LONG",
    "ElementNumberOfChannels = 3", "ElementNumberOfChannels = 0", "ElementToIntensityFunctionSlope = 2",
    "ElementToIntensityFunctionOffset = 5", "ElementToIntensityFunctionSlope = 0", "HeaderSize = -1", "HeaderSize = 4",
    "HeaderSize = 99999999", "Modality = MET_MOD_PET", "DistanceUnits = cm", "DistanceUnits = furlong", "ElementMin = 0",
    "ElementDataFile = LOCAL", "ElementDataFile = LIST", "ElementDataFile = x%d.raw 1 99999999 1", "ElementDataFile = /dev/zero",
    "TransformMatrix = 1 0 0 0 0 0 0 0 1", "Name = x", "Comment = x", "ID = 3",
)  # fmt: skip


def _header_end(content: bytes) -> int:
    """Place of the first byte after a text header."""
    ends = re.search(rb"\r?\n\r?\n|ElementDataFile *=[^\n]*\n", content)
    return ends.end() if ends else len(content)


def _with_header(decisive: str, values: tuple[str, ...]) -> Callable[[np.random.Generator, Files], tuple[Files, Change]]:
    def change(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
        first, *others = files
        way = rng.random()
        if others and way < 0.15:
            name = str(pick(rng, others))
            if rng.random() < 0.2:
                return {n: c for n, c in files.items() if n != name}, Change(b"", f"{name} is missing", "a data file is missing")
            changed = change_bytes(rng, files[name])
            from_end = re.search(rb"byte skip: -1|HeaderSize = -1", files[first])  # nobody can tell bytes before the voxels
            return _one(rng, files, name, changed if from_end else _needs_every_byte(changed))
        content = files[first]
        if way < 0.4:
            changed = change_bytes(rng, content)
            # The end of a header says nothing, and neither does half a number of text.
            plain = others or re.search(rb"BinaryData = False|encoding: (ascii|hex)", content)
            return _one(rng, files, first, changed if plain and changed.shortened < 64 else _needs_every_byte(changed))
        end = _header_end(content)
        header, rest = content[:end], content[end:]
        if way < 0.65:
            changed = change_number(rng, header, decisive)
        elif way < 0.75:
            changed = change_lines(rng, header)
        elif way < 0.8:
            changed = change_encoding(rng, header)
        else:
            changed = _set_line(rng, header, str(pick(rng, values)))
        return _one(rng, files, first, replace(changed, content=changed.content + rest))

    return change


def _set_line(rng: np.random.Generator, header: bytes, line: str) -> Change:
    """Replaces or adds a field of a text header."""
    key = re.match(r"[\w ]+?(?= ?[:=])", line)[0].encode()  # type: ignore[index]
    here = re.search(rb"(?m)^" + key + rb" ?[:=][^\r\n]*", header)
    if here:
        return Change(header[: here.start()] + line.encode() + header[here.end() :], f"{here[0].decode('latin-1')[:40]!r} is now {line!r}")
    last = re.search(rb"(?m)^(encoding:|ElementDataFile)", header)  # fields of the axes stand behind their number
    place = last.start() if last else 0
    return Change(header[:place] + line.encode() + b"\n" + header[place:], f"{line!r} added")


def _mask(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    (name,) = files
    if name.endswith(".gz"):
        return _nifti_gz(rng, files)
    return _WAYS["metaimage" if name.endswith(".mha") else "nrrd"](rng, files)


# DICOM

#: Tag, type and whether a slice cannot be read without it.
_DICOM_TAGS = {
    (0x28, 0x1053): ("DS", True), (0x28, 0x1052): ("DS", False), (0x28, 0x30): ("DS", True), (0x20, 0x32): ("DS", True),
    (0x20, 0x37): ("DS", True), (0x28, 0x10): ("US", True), (0x28, 0x11): ("US", True), (0x28, 0x100): ("US", True),
    (0x28, 0x101): ("US", False), (0x28, 0x102): ("US", False), (0x28, 0x103): ("US", False), (0x28, 0x2): ("US", False),
    (0x28, 0x4): ("CS", False), (0x54, 0x1001): ("CS", True), (0x28, 0x51): ("CS", False), (0x54, 0x1102): ("CS", False),
    (0x10, 0x1030): ("DS", False), (0x8, 0x21): ("DA", False), (0x8, 0x31): ("TM", False), (0x8, 0x22): ("DA", False),
    (0x8, 0x32): ("TM", False), (0x20, 0xE): ("UI", True), (0x8, 0x16): ("UI", False), (0x54, 0x81): ("US", False),
    (0x54, 0x1300): ("DS", False), (0x18, 0x1074): ("DS", False), (0x18, 0x1075): ("DS", False), (0x18, 0x1072): ("TM", False),
    (0x20, 0x52): ("UI", False), (0x2, 0x10): ("UI", False), (0x54, 0x1000): ("CS", False), (0x7FE0, 0x10): ("OW", True),
}  # fmt: skip
_DICOM_TEXTS = {
    "CS": ("", "BQML", "GML", "CNTS", "PROPCPS", "START", "NONE", "ADMIN", "RGB", "MONOCHROME1", "ATTN", "ATTN\\DECY", "DYNAMIC\\IMAGE"),
    "TM": ("", "10", "1000", "095959.999999", "250000", "10:00:00", "235959", "x", "000000"),
    "DA": ("", "20240103", "20240101", "2024.01.02", "20241399", "18000101", "x"),
    "UI": ("", "1.2.3", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.70", "x"),
}  # fmt: skip


def _dicom(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    name = str(pick(rng, sorted(files)))
    way = rng.random()
    if way < 0.1:
        return _dicom_folder(rng, files, name)
    if way < 0.3 or b"1.2.840.10008.1.2.1\0" not in files[name][:400]:
        changed = change_bytes(rng, files[name])
        # The last 8 bytes of compressed pixels only say that they are over; the last byte of a deflated file is padding.
        syntax = re.search(rb"1\.2\.840\.10008\.1\.2\.[15.9]+", files[name][:400])
        whole = changed.shortened <= {b"1.2.840.10008.1.2.5": 8, b"1.2.840.10008.1.2.1.99": 1}.get(syntax[0] if syntax else b"", 0)
        return _one(rng, files, name, changed if whole else _needs_every_byte(changed))
    tag = pick(rng, list(_DICOM_TAGS))
    vr, needed = _DICOM_TAGS[tag]  # type: ignore[index]
    value = _dicom_value(rng, vr)
    everywhere = rng.random() < 0.5
    changed = {n: _set_element(c, tag, vr, value) if everywhere or n == name else c for n, c in files.items()}  # type: ignore[arg-type]
    wrong = value is None or value.strip() == b"" or (vr == "DS" and any(p.decode() in NO_NUMBERS for p in value.split(b"\\")))
    how = f"{'all slices' if everywhere else name}: ({tag[0]:04x},{tag[1]:04x}) is now {'absent' if value is None else repr(value[:40])}"  # type: ignore[index]
    return changed, Change(b"", how, "a needed tag has no value" if wrong and needed and changed != files else "")


def _dicom_folder(rng: np.random.Generator, files: Files, name: str) -> tuple[Files, Change]:
    way = str(pick(rng, ("remove", "twice", "text", "empty", "renamed")))
    if way == "remove":
        inner = name in sorted(files)[1:-1] and len(files) > 3
        return {n: c for n, c in files.items() if n != name}, Change(b"", f"{name} is missing", "a slice is missing" * inner)
    if way == "twice":
        return {**files, "series/copy.dcm": files[name]}, Change(b"", f"{name} is there twice", "two slices lie in one place")
    if way == "text":
        return {**files, "series/notes.txt": b"see the report"}, Change(b"", "a text file is beside them")
    if way == "empty":
        return {**files, name: b""}, Change(b"", f"{name} is empty", "a slice is empty")
    return {("series/x" if n == name else n): c for n, c in files.items()}, Change(b"", f"{name} has another name")


def _dicom_value(rng: np.random.Generator, vr: str) -> bytes | None:
    if rng.random() < 0.15:
        return None
    if vr == "DS":
        count = int(pick(rng, (1, 1, 2, 3, 6)))  # type: ignore[call-overload]
        return "\\".join(str(pick(rng, NO_NUMBERS + ODD_NUMBERS))[:16] for _ in range(count)).encode()
    if vr == "US":
        return struct.pack("<H", int(pick(rng, (0, 1, 2, 3, 4, 8, 12, 16, 32, 65535)))) * int(pick(rng, (0, 1, 1, 1, 2)))  # type: ignore[call-overload]
    if vr == "OW":
        return rng.bytes(int(pick(rng, (0, 2, 12, 23, 24, 26, 1000))))  # type: ignore[call-overload]
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


# JSON: ROI, bundle metadata, provenance

_JSON_BROKEN = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 400, '"abc"', "{}", "[]", "[1,2,3,4,5,6,7]")
_JSON_ODD = ("0", "-1", "1", "1e308", "1e-308", "0.5", "999999999999", "null", "true", "false", '""', '"1"', "[" * 5000 + "]" * 5000, '"' + "x" * 100_000 + '"')
#: Paths of the numbers that decide about the result.
_JSON_DECISIVE = {
    "roi": r"markups/0/(center|size|orientation)",
    "metadata": r"tumorgen/(networks|intensity_scale/(knee|top|low)|patch|latent|resolution|uptake|fill|tuning|sampling/steps)",
    "provenance": r"suv_factor$|tumors/\d+/(seed|box_center_lps|box_size_mm|box_axes|tries|batch)|request/(steps|suv_max)",
}
_MARK = "@odd value@"


def _json_file(kind: str) -> Callable[[np.random.Generator, Files], tuple[Files, Change]]:
    def change(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
        name = next(iter(files))
        return _one(rng, files, name, _json_change(rng, files[name], _JSON_DECISIVE[kind]))

    return change


def _json_change(rng: np.random.Generator, content: bytes, decisive: str) -> Change:
    way = rng.random()
    if way < 0.15:
        changed = change_bytes(rng, content)
        return _needs_every_byte(changed) if changed.content.strip() != content.strip() else changed
    if way < 0.22:
        return change_encoding(rng, content)
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        return change_bytes(rng, content)
    places = list(_places(tree, ""))
    if not places:
        return change_bytes(rng, content)
    path, holder, key = places[int(rng.integers(len(places)))]
    if way < 0.35:
        del holder[key]
        return Change(json.dumps(tree, indent=2).encode(), f"{path} is gone")
    if way < 0.4:
        _, other, name = places[int(rng.integers(len(places)))]
        holder[key], other[name] = other[name], holder[key]
        try:
            return Change(json.dumps(tree, indent=2).encode(), f"{path} and another entry changed places")
        except (ValueError, RecursionError):  # one of them holds the other
            return change_bytes(rng, content)
    odd = str(pick(rng, _JSON_BROKEN if rng.random() < 0.5 else _JSON_ODD))
    was_number = isinstance(holder[key], int | float) and not isinstance(holder[key], bool)
    holder[key] = _MARK
    broken = was_number and odd in _JSON_BROKEN and re.match(decisive, path)
    return Change(
        json.dumps(tree, indent=2).replace(f'"{_MARK}"', odd).encode(),
        f"{path} is now {odd[:30]}",
        f"{path} is {odd[:30]}" if broken else "",
    )


def _places(tree: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Returns path, holder and key of each entry of a JSON value."""
    keys = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in keys:
        here = f"{path}/{key}".lstrip("/")
        found.append((here, tree, key))
        found += _places(value, here)
    return found


# Weights

def _weights(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    name = next(iter(files))
    content = files[name]
    way = rng.random()
    if way < 0.3 or len(content) < 9:
        changed = change_bytes(rng, content)
        broken = "the end is missing" if changed.shortened else ""
    elif way < 0.6:
        (length,) = struct.unpack_from("<Q", content)
        header = content[8 : 8 + length]
        way_inside: Callable[[np.random.Generator, bytes], Change] = pick(rng, [change_lines, lambda r, c: change_number(r, c, "x"), lambda r, c: _json_change(r, c, "x")])  # type: ignore[assignment]
        inside = way_inside(rng, header)
        changed = Change(struct.pack("<Q", len(inside.content)) + inside.content + content[8 + length :], f"header: {inside.how[:80]}")
        broken = ""
    elif way < 0.75:
        value = int(pick(rng, (0, 1, 2**63, 2**64 - 1, len(content), 100_000_000, 7)))  # type: ignore[call-overload]
        changed = Change(struct.pack("<Q", value) + content[8:], f"length of the header is now {value}")
        broken = "the length of the header is wrong"
    else:
        place = len(content) - 4 * int(rng.integers(1, 100))
        odd = struct.pack("<2e", float("nan"), float("inf"))
        changed = Change(content[:place] + odd + content[place + 4 :], f"NaN and Inf from {place}")
        broken = "" if "training_lesions" in name else "weights are not finite"
    metadata = next(n for n in files if n.endswith("metadata.json"))
    former, now = (hashlib.sha256(c).hexdigest().encode() for c in (content, changed.content))
    renewed = rng.random() < 0.6
    described = files[metadata].replace(former, now) if renewed else files[metadata]
    reason = broken if renewed else "the hash is wrong"
    how = f"{name}: {changed.how}, hash {'renewed' if renewed else 'as before'}"
    return {**files, name: changed.content, metadata: described}, replace(changed, how=how, corrupt=reason if former != now else "")


# Manifest

_CELLS = (*NO_NUMBERS, *ODD_NUMBERS, "a.nii", "missing.nii", "../a.nii", "box.mrk.json", "1,2,3,4,5,6", "1,2,3,4,5,0", "1,2,3,nan,5,6",
          "x" * 5000, "euler", "rk4", "a b", ".", "CON", "\u00e9", "true", "1e3", "1e2", " 7 ", "+7", "007", "\t3")  # fmt: skip


def _manifest(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    name = next(iter(files))
    content = files[name]
    way = rng.random()
    if way < 0.25:
        return _one(rng, files, name, change_bytes(rng, content))
    if way < 0.35:
        return _one(rng, files, name, change_encoding(rng, content))
    if way < 0.45:
        return _one(rng, files, name, change_lines(rng, content))
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (csv.Error, UnicodeDecodeError):
        return _one(rng, files, name, change_bytes(rng, content))
    if not rows or not rows[0]:
        return _one(rng, files, name, change_bytes(rng, content))
    r, c = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
    cell = str(pick(rng, _CELLS))
    rows[r] += [""] * (c + 1 - len(rows[r]))
    column, rows[r][c] = rows[0][c], cell
    corrupt = ""
    if r and cell.strip() in NO_NUMBERS and cell and column in ("count", "tumors", "seed", "suv_factor", "suv_max", "suv_mean", "fill", "steps"):
        corrupt = f"{column} is {cell[:20]!r}"
    if way < 0.55:
        rows[r].append("more")
        corrupt = "a line has more cells than columns" if len(rows[r]) > len(rows[0]) and r else ""
    text = io.StringIO()
    csv.writer(text, delimiter=str(pick(rng, (",", ",", ",", ",", ";", "\t"))), lineterminator="\n").writerows(rows)
    return _one(rng, files, name, Change(text.getvalue().encode(), f"line {r}, {column[:20]}: {cell[:20]!r}", corrupt))


_WAYS: dict[str, Callable[[np.random.Generator, Files], tuple[Files, Change]]] = {
    "nifti": _nifti,
    "nifti-gz": _nifti_gz,
    "nrrd": _with_header(_NRRD_DECISIVE, _NRRD_VALUES),
    "mask": _mask,
    "metaimage": _with_header(_META_DECISIVE, _META_VALUES),
    "dicom": _dicom,
    "roi": _json_file("roi"),
    "manifest": _manifest,
    "metadata": _json_file("metadata"),
    "weights": _weights,
    "provenance": _json_file("provenance"),
}
