"""Why TumorGen is right to read some inputs that an independent reader refuses or reads in another way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from judge import Opinion

__all__ = ["EXCLUSIONS", "excluded"]


@dataclass(frozen=True)
class Exclusion:
    """A known fault or limit of an independent reader.

    Args:
        name: short name.
        kinds: kinds of inputs.
        verdict: "differs" or "refuses".
        message: regular expression of what the independent reader says.
        content: regular expression that the file must hold.
        why: reason why TumorGen is right.
    """

    name: str
    kinds: tuple[str, ...]
    verdict: str
    message: str
    why: str
    content: bytes = b""


_NRRD, _META = ("nrrd", "mask"), ("metaimage", "mask")
EXCLUSIONS = (
    Exclusion(
        "pynrrd: padding",
        _NRRD,
        "refuses",
        r"Size of the data does not equal .*=-\d+",
        "bytes after the voxels are padding, as in all three formats; a whole slice more is warned about",
    ),
    Exclusion(
        "NRRD: fields without a meaning",
        _NRRD,
        "refuses",
        r"trouble with block size|trouble parsing (space|spacings|axis mins)|could not convert string",
        "the field changes nothing here, or says once more what another one says",
        rb"block size:|space dimension:|spacings:|measurement frame:|axis mins:",
    ),
    Exclusion(
        "ITK: order of fields",
        _NRRD,
        "refuses",
        r"trouble parsing space (directions|origin)",
        "ITK needs the space before its directions; TumorGen takes the fields in any order",
        rb"(?s)space (directions|origin):.*space:",
    ),
    Exclusion(
        "ITK: end of a header",
        _NRRD,
        "refuses",
        r'no "data file" given|trouble with number of data',
        "the last line may lack its end, and an empty line may follow it",
        rb"(?s)data file: .*(\S|\n\n)\Z",
    ),
    Exclusion(
        "ITK: pattern of data files without a step",
        _META,
        "refuses",
        r"^died$",
        "ITK crashes; the step is 1",
        rb"ElementDataFile = part%d",
    ),
    Exclusion(
        "ITK: order of tags",
        _META,
        "refuses",
        r"File cannot be read.*No such file",
        "ITK needs NDims right after ObjectType, the standard does not",
        rb"\A(?!(\xef\xbb\xbf)?ObjectType = Image\r?\nNDims = 3)",
    ),
    Exclusion(
        "ITK: tags without a meaning",
        _META,
        "refuses",
        r"Numerical result out of range",
        "the tag is not used, or the number is so near to 0 that it counts as 0",
        rb"CenterOfRotation|1e-308",
    ),
    Exclusion(
        "ITK: CompressedDataSize",
        _META,
        "differs",
        r"voxels",
        "the compressed data end by themselves and have a checksum; ITK takes the tag and leaves voxels unset",
        rb"CompressedData = True",
    ),
    Exclusion(
        "ITK: CompressedDataSize",
        _META,
        "refuses",
        r"bad_alloc|File cannot be read",
        "the same; ITK asks for as much memory as the tag says",
        rb"CompressedDataSize",
    ),
    Exclusion(
        "pydicom: absent tags of the pixels",
        ("dicom",),
        "refuses",
        r"(Missing required element: \(0028,000[24]\)|has no \(0002,0010\)|Unknown \(0028,0004\).*''$)",
        "the pixels are gray if their bytes fit Rows, Columns and BitsAllocated; the dataset tells how it is encoded",
    ),
)


def excluded(kind: str, path: Path, opinion: Opinion) -> str:
    """Name of the exclusion that holds for an input; empty if there is none."""
    content = path.read_bytes() if path.is_file() else b""
    for each in EXCLUSIONS:
        if (
            kind in each.kinds
            and each.verdict == opinion.verdict
            and re.search(each.message, opinion.why)
            and re.search(each.content, content)
        ):
            return each.name
    return ""
