"""Damages text headers (NRRD, MetaImage) and the data files that they name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from good_inputs import Files
from mutations import (
    Change,
    change_bytes,
    change_encoding,
    change_lines,
    change_number,
    in_file,
    needs_every_byte,
    pick,
)

__all__ = ["META_DECISIVE", "META_VALUES", "NRRD_DECISIVE", "NRRD_VALUES", "header_way"]


NRRD_DECISIVE = r"(?i)(sizes|dimension|space directions|space origin|spacings|byte skip|line skip):"
META_DECISIVE = r"(NDims|DimSize|ElementSpacing|Offset|TransformMatrix|HeaderSize) ="
NRRD_VALUES = (
    "type: uint8", "type: double", "type: block", "type: unsigned long long", "encoding: raw", "encoding: gzip",
    "encoding: hex", "encoding: ascii", "encoding: bzip2", "encoding: zrl", "endian: big", "endian: little",
    "endian: middle", "space: RAS", "space: LPS", "space: scanner-xyz", "space: 3D-right-handed",
    "space: left-anterior-superior", "space dimension: 3", "space dimension: 2", 'space units: "m" "m" "m"',
    'space units: "furlong" "mm" "mm"', "kinds: domain domain vector", "kinds: list domain domain domain",
    "byte skip: -1", "byte skip: 4", "line skip: 1", "line skip: -1", "sizes: 3 4 5", "sizes: 5 12", "sizes: 60",
    "dimension: 4", "spacings: 1 1 1", "spacings: nan 1 1", "space directions: none none none",
    "data file: /dev/zero", "data file: ../case.nrrd", "data file: x%d.raw 1 99999999 1", "data file: LIST",
    "axis mins: 0 0 0", "centerings: node node node", "thicknesses: 2 2 2",
    "measurement frame: (1,0,0) (0,1,0) (0,0,1)", "old min: 0", "block size: 4", "number: 60", "content: x",
    "sample units: SUV",
)  # fmt: skip
META_VALUES = (
    "ObjectType = Tube", "NDims = 2", "NDims = 4", "NDims = 1000", "NDims = -1", "BinaryData = False",
    "BinaryData = Maybe", "BinaryDataByteOrderMSB = True", "ElementByteOrderMSB = True", "CompressedData = True",
    "CompressedData = False", "CompressedDataSize = 3", "CompressedDataSize = -1", "CompressedDataSize = 99999999999",
    "DimSize = 3 4 5", "DimSize = 60", "DimSize = 5 4", "ElementSpacing = 1 1", "ElementSize = 9 9 9",
    "ElementSpacing = -4 4 3", "Position = 0 0 0", "Origin = 7 7 7", "Orientation = 0 1 0 1 0 0 0 0 1",
    "Rotation = 1 0 0 0 1 0 0 0 -1", "CenterOfRotation = 5 5 5", "AnatomicalOrientation = RAS",
    "ElementType = MET_DOUBLE", "ElementType = MET_UCHAR", "ElementType = MET_UCHAR_ARRAY", "ElementType = MET_LONG",
    "ElementNumberOfChannels = 3", "ElementNumberOfChannels = 0", "ElementToIntensityFunctionSlope = 2",
    "ElementToIntensityFunctionOffset = 5", "ElementToIntensityFunctionSlope = 0", "HeaderSize = -1",
    "HeaderSize = 4", "HeaderSize = 99999999", "Modality = MET_MOD_PET", "DistanceUnits = cm",
    "DistanceUnits = furlong", "ElementMin = 0", "ElementDataFile = LOCAL", "ElementDataFile = LIST",
    "ElementDataFile = x%d.raw 1 99999999 1", "ElementDataFile = /dev/zero", "TransformMatrix = 1 0 0 0 0 0 0 0 1",
    "Name = x", "Comment = x", "ID = 3",
)  # fmt: skip


def _header_end(content: bytes) -> int:
    """Place of the first byte after a text header."""
    ends = re.search(rb"\r?\n\r?\n|ElementDataFile *=[^\n]*\n", content)
    return ends.end() if ends else len(content)


def header_way(decisive: str, values: tuple[str, ...]) -> Callable[[np.random.Generator, Files], tuple[Files, Change]]:
    """Returns the way to damage a header and its data files; see ``change_number`` for ``decisive``."""

    def change(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
        first, *others = files
        way = rng.random()
        if others and way < 0.15:
            name = str(pick(rng, others))
            if rng.random() < 0.2:
                return {n: c for n, c in files.items() if n != name}, Change(
                    b"", f"{name} is missing", "a data file is missing"
                )
            changed = change_bytes(rng, files[name])
            from_end = re.search(
                rb"byte skip: -1|HeaderSize = -1", files[first]
            )  # nobody can tell bytes before the voxels
            return in_file(files, name, changed if from_end else needs_every_byte(changed))
        content = files[first]
        if way < 0.4:
            changed = change_bytes(rng, content)
            # The end of a header says nothing, and neither does half a number of text.
            plain = others or re.search(rb"BinaryData = False|encoding: (ascii|hex)", content)
            return in_file(files, first, changed if plain and changed.shortened < 64 else needs_every_byte(changed))
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
        return in_file(files, first, replace(changed, content=changed.content + rest))

    return change


def _set_line(rng: np.random.Generator, header: bytes, line: str) -> Change:
    """Replaces or adds a field of a text header."""
    key = re.match(r"[\w ]+?(?= ?[:=])", line)[0].encode()
    here = re.search(rb"(?m)^" + key + rb" ?[:=][^\r\n]*", header)
    if here:
        return Change(
            header[: here.start()] + line.encode() + header[here.end() :],
            f"{here[0].decode('latin-1')[:40]!r} is now {line!r}",
        )
    last = re.search(rb"(?m)^(encoding:|ElementDataFile)", header)  # fields of the axes stand behind their number
    place = last.start() if last else 0
    return Change(header[:place] + line.encode() + b"\n" + header[place:], f"{line!r} added")
