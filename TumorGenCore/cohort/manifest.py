"""Reads the manifest of ``tumorgen synthesize``, a CSV table with one row for each scan.

The whole table is checked before any work.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from TumorGenCore.errors import InvalidBoxError, InvalidRequestError, ManifestError, UnsupportedVolumeError
from TumorGenCore.former_names import FORMER_NAMES
from TumorGenCore.insertion.in_organ import DRAWN, InOrgan
from TumorGenCore.insertion.reference import Reference
from TumorGenCore.insertion.request import MOST_SEED, UPTAKES, TumorRequest
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.header_text import decimal
from TumorGenCore.volumes.markups import parse_box, read_box
from TumorGenCore.volumes.passed_through import check_ct
from TumorGenCore.volumes.safe_write import folded
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES

__all__ = ["COLUMNS", "EVEN", "MOST_RESULTS", "MOST_TUMORS", "ManifestRow", "read_manifest"]

COLUMNS = (
    "image",
    "name",
    "box",
    "roi",
    "region",
    "in",
    "labels",
    "count",
    "tumors",
    "sizes",
    "seed",
    "suv_factor",
    "suv_max",
    "suv_mean",
    "suv_peak",
    "to_background",
    "to_reference",
    "reference",
    "fill",
    "volume_ml",
    "diameter_mm",
    "steps",
    "solver",
    "least_quality",
    "mask",
    "ct",
)

#: Words of the column ``sizes``, and the sign between the organs of the column ``in``.
USUAL, EVEN = "usual", "even"
_BETWEEN_ORGANS = "|"

#: Most results of one manifest, and most tumors in one result.
MOST_RESULTS, MOST_TUMORS = 1_000_000, 1_000

_MOST_BYTES = 64 * 2**20
#: Most letters in a cell: paths are shorter.
_MOST_LETTERS = 4096
#: Letters of a cell that a message shows.
_SHOWN = 100
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NO_NAME = re.compile(r"[^\w.+-]+")
_PLAIN_NAME = re.compile(r"\w[\w .+-]*(?<! )(?<!\.)")

T = TypeVar("T")


@dataclass(frozen=True)
class ManifestRow:
    """One scan and the results to make from it.

    Args:
        name: plain file name at the start of the names of its results.
        image: volume file or folder of a DICOM series.
        box: box of the tumor; None places the tumor automatically.
        region: mask file of the region to place tumors in; None means the whole body.
        organ: organ to place tumors in; None for another place. It has the number of tumors, which may be drawn.
        even_sizes: draw as many lesions of each size, not as patients have them.
        seeds: seeds, one for each result.
        tumors: number of tumors in each result.
        suv_factor: SUV per unit of voxel value; None as in ``read_volume``.
        request: properties of each tumor, without a ratio to a reference region.
        ct: CT of the scan, a file that passes through unchanged.
        reference: ratio to a reference region, which is measured when the scan is read.
    """

    name: str
    image: Path
    box: Box | None
    region: Path | None
    seeds: range
    tumors: int
    suv_factor: float | None
    request: TumorRequest = field(default_factory=TumorRequest)
    ct: Path | None = None
    reference: Reference | None = None
    organ: InOrgan | None = None
    even_sizes: bool = False

    @property
    def files(self) -> tuple[Path, ...]:
        """All files and folders that the row reads."""
        labels = None if self.organ is None else self.organ.labels
        files = (self.image, self.region, labels, self.ct, None if self.reference is None else self.reference.file)
        return tuple(path for path in files if path is not None)


def read_manifest(path: str | os.PathLike[str]) -> list[ManifestRow]:
    """Reads and checks a manifest; its paths are relative to its folder.

    An empty cell counts as if the column were missing. Columns:

    - ``image``: the scan.
    - ``name``: start of the file names of the results (default: name of the image).
    - ``box`` (CX,CY,CZ,SX,SY,SZ, RAS mm, in quotes), ``roi`` (.mrk.json) or ``region`` (mask file to place tumors in):
      give one or none; without them, tumors are placed anywhere in the body.
    - ``in``, instead of these: name or number of an organ in ``labels``, a label map; see ``boxes_in_organ``. Several
      organs with "|" between them stand for a row each, so that all get the same number of results; the organ is then
      added to the name.
    - ``sizes``: usual (default), as patients have them, or even: as many of each size.
    - ``count``: number of results (default 1; at most ``MOST_RESULTS`` in the whole table); their seeds count up from
      ``seed`` (default 0).
    - ``tumors``: number of tumors in each result (default 1, at most ``MOST_TUMORS``); with ``in`` also ``drawn``.
    - ``suv_factor``: SUV per unit of voxel value.
    - ``suv_max``, ``suv_mean``, ``suv_peak`` or ``to_background``, then ``fill``, ``volume_ml`` or ``diameter_mm``, and
      ``steps``, ``solver``, ``least_quality``, ``mask``: see ``TumorRequest``.
    - ``to_reference``, instead of another uptake, with ``reference``: mask file, or name or number of a label in
      ``labels``, a label map.
    - ``ct``: the CT of the scan, one file, which passes through unchanged.

    Raises:
        ManifestError: the manifest cannot be used; the message names line and column of the first error.
    """
    path = Path(path)
    lines = _lines(path)
    if not lines:
        raise ManifestError(f"{path.name} is empty. Its first line must name columns out of {', '.join(COLUMNS)}.")
    header = _header(path, *lines[0])
    if len(lines) == 1:
        raise ManifestError(f"{path.name} has no row below its header. Add a line for each scan.")
    rows: list[ManifestRow] = []
    results = 0
    seen: dict[str, int] = {}
    for number, cells in lines[1:]:
        if len(cells) > len(header):
            raise ManifestError(
                f"{path.name}, line {number}: {len(cells)} cells, but there are {len(header)} columns. "
                'Put a box in quotes, like "30,-12,410,40,40,40".'
            )
        values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
        line = _Line(path, number, values)
        for row in map(_row, _one_organ_each(line)):
            results += len(row.seeds)
            if results > MOST_RESULTS:
                raise line.error(
                    "count", f"the manifest asks for more than {MOST_RESULTS:,} results. Split the manifest."
                )
            if folded(row.name) in seen:
                raise ManifestError(
                    f"{path.name}, line {number}, column name: '{row.name}' is also the name of line "
                    f"{seen[folded(row.name)]}. Give each row a different name."
                )
            seen[folded(row.name)] = number
            rows.append(row)
    return rows


def _one_organ_each(line: _Line) -> Iterator[_Line]:
    """Yields a line for each organ of the column ``in``, with the organ in its name."""
    organs = [organ.strip() for organ in line.values.get("in", "").split(_BETWEEN_ORGANS)]
    if len(organs) == 1:
        yield line
        return
    name = line.values.get("name") or _default_name(Path(line.values.get("image", "")))
    for organ in organs:
        if not organ:
            raise line.error("in", f"an organ is missing beside '{_BETWEEN_ORGANS}'.")
        values = {**line.values, "in": organ, "name": f"{name}-{_NO_NAME.sub('-', organ)}"}
        yield replace(line, values=values)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Returns the lines that are not empty, each with its number, as cells."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ManifestError(f"{path.name} is larger than {_MOST_BYTES // 2**20} MB. Split the manifest.")
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        return [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except OSError as error:
        raise ManifestError(f"The manifest {path} cannot be opened ({error.strerror}). Check the path.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(f"{path.name} is not a CSV table in UTF-8 ({error}). Save it as CSV in UTF-8.") from error


def _header(path: Path, number: int, cells: list[str]) -> list[str]:
    if separator := _other_separator(cells):
        raise ManifestError(
            f"{path.name}, line {number}: the columns are separated by {separator}. Save the table with commas."
        )
    header = [FORMER_NAMES.get(cell.strip(), cell.strip()) for cell in cells]
    for n, name in enumerate(header):
        if name not in COLUMNS:
            raise ManifestError(
                f"{path.name}, line {number}, column {name[:_SHOWN] or n + 1}: unknown. Known columns, separated by "
                f"commas, are {', '.join(COLUMNS)}."
            )
        if name in header[:n]:
            raise ManifestError(f"{path.name}, line {number}, column {name}: given twice. Remove one of them.")
    if "image" not in header:
        raise ManifestError(f"{path.name}, line {number}, column image: missing. Add it to name the scan of each row.")
    return header


def _other_separator(cells: list[str]) -> str:
    """Name of the separator of a header that is not separated by commas; empty if none is known."""
    found = {name: [part.strip(' "') for part in cells[0].split(sign)] for sign, name in _SEPARATORS.items()}
    return next((name for name, parts in found.items() if len(parts) > 1 and "image" in parts), "")


@dataclass(frozen=True)
class _Line:
    """The non-empty cells of a line by column; its errors name line and column."""

    path: Path
    number: int
    values: Mapping[str, str]

    def error(self, column: str, reason: str) -> ManifestError:
        return ManifestError(f"{self.path.name}, line {self.number}, column {column}: {reason}")

    def get(self, column: str, parse: Callable[[str], T]) -> T | None:
        if column not in self.values:
            return None
        if len(self.values[column]) > _MOST_LETTERS:
            raise self.error(
                column, f"{len(self.values[column]):,} letters; a cell has at most {_MOST_LETTERS:,}. Correct the cell."
            )
        try:
            return parse(self.values[column])
        except OSError as error:
            raise self.error(column, f"'{self.values[column][:_SHOWN]}' cannot be used ({error.strerror}).") from error
        except (InvalidBoxError, ValueError) as error:
            raise self.error(column, str(error)) from error

    def existing(self, column: str) -> Path | None:
        def parse(text: str) -> Path:
            found = self.path.parent / text
            if not found.exists():
                raise ValueError(f"there is no file '{text}' in the folder of the manifest. Correct the path.")
            return found

        return self.get(column, parse)


def _row(line: _Line) -> ManifestRow:
    image = line.existing("image")
    if image is None:
        raise line.error("image", "empty. Give the scan of the row.")
    _check_volume_name(line, "image", image, folder=True)
    name = line.get("name", str) or _default_name(image)
    if not _PLAIN_NAME.fullmatch(name):
        raise line.error("name", f"'{name}' is not a plain file name. Use letters, digits, '_', '-' and '.'.")
    ways = [column for column in ("box", "roi", "region", "in") if column in line.values]
    if len(ways) > 1:
        raise line.error(ways[1], f"{ways[0]} already places the tumor. Keep only one of box, roi, region and in.")
    roi, region = line.existing("roi"), line.existing("region")
    box = line.get("box", parse_box) or line.get("roi", lambda _: read_box(roi) if roi else None)
    if region is not None:
        _check_volume_name(line, "region", region, folder=False)
    sizes = line.get("sizes", str) or USUAL
    if sizes not in (USUAL, EVEN):
        raise line.error("sizes", f"'{sizes[:_SHOWN]}' is neither {USUAL} nor {EVEN}.")
    if sizes == EVEN and box is not None:
        raise line.error("sizes", f"the {ways[0]} already has a size. Leave one of both empty.")
    drawn = "in" in line.values and line.values.get("tumors") == DRAWN
    tumors = 1 if drawn else line.get("tumors", lambda text: _whole(text, 1, MOST_TUMORS)) or 1
    if box is not None and tumors > 1:
        raise line.error("tumors", f"{tumors} tumors do not fit into one {ways[0]}. Leave that column empty.")
    seed = line.get("seed", lambda text: _whole(text, 0)) or 0
    count = line.get("count", lambda text: _whole(text, 1, MOST_RESULTS)) or 1
    if seed + count - 1 > MOST_SEED:
        raise line.error("seed", f"{seed} is too large. The last seed must be below 2^63.")
    return ManifestRow(
        name=name,
        image=image,
        box=box,
        region=region,
        seeds=range(seed, seed + count),
        tumors=tumors,
        suv_factor=line.get("suv_factor", _positive),
        request=_request(line),
        ct=_ct(line),
        reference=_reference(line),
        organ=_organ(line, None if drawn else tumors),
        even_sizes=sizes == EVEN,
    )


def _organ(line: _Line, count: int | None) -> InOrgan | None:
    name, labels = line.get("in", str), line.existing("labels")
    if name is None:
        if labels is not None and "reference" not in line.values:
            raise line.error("labels", "neither in nor reference names an organ. Fill one of them, or leave it empty.")
        return None
    if labels is None:
        raise line.error("labels", f"empty. Give the label map that has the organ '{name[:_SHOWN]}'.")
    return InOrgan(name, labels, count)


def _ct(line: _Line) -> Path | None:
    ct = line.existing("ct")
    if ct is not None:
        try:
            check_ct(ct)
        except UnsupportedVolumeError as error:
            raise line.error("ct", str(error)) from error
    return ct


def _request(line: _Line) -> TumorRequest:
    """Returns the request for each tumor of a row; errors name the column of the wrong value."""
    kinds: dict[str, Callable[[str], Any]] = {
        "suv_max": _positive,
        "suv_mean": _positive,
        "suv_peak": _positive,
        "to_background": _positive,
        "fill": _positive,
        "volume_ml": _positive,
        "diameter_mm": _positive,
        "steps": lambda text: _whole(text, 1),
        "solver": str,
        "least_quality": decimal,
        "mask": str,
    }
    request = TumorRequest()
    for column, parse in kinds.items():
        value = line.get(column, parse)
        if value is not None:
            try:
                request = replace(request, **{column: value})
            except InvalidRequestError as error:
                raise line.error(column, str(error)) from error
    return request


def _reference(line: _Line) -> Reference | None:
    ratio, region = line.get("to_reference", _positive), line.get("reference", str)
    labels = line.existing("labels")
    if ratio is None and region is None:
        return None
    if ratio is None or region is None:
        missing = "to_reference" if ratio is None else "reference"
        raise line.error(missing, "empty. A ratio to a reference region needs to_reference and reference.")
    if other := next((name for name in UPTAKES if name != "to_reference" and name in line.values), None):
        raise line.error("to_reference", f"{other} is given too. Keep one of them.")
    try:
        reference = Reference.of(ratio, region, labels, line.path.parent)
    except InvalidRequestError as error:
        raise line.error("reference", str(error)) from error
    if reference.label is None:
        line.existing("reference")
        _check_volume_name(line, "reference", reference.file, folder=False)
    return reference


def _check_volume_name(line: _Line, column: str, path: Path, *, folder: bool) -> None:
    if path.is_dir():
        if not folder:
            raise line.error(column, f"'{line.values[column]}' is a folder. Give a mask file.")
    elif not path.name.lower().endswith(READABLE_SUFFIXES):
        kinds = ", ".join(READABLE_SUFFIXES)
        raise line.error(column, f"'{line.values[column]}' is not one of {kinds}{' or a DICOM folder' * folder}.")


def _default_name(image: Path) -> str:
    """Returns ``P1`` for ``P1_image.nii.gz``, and the name of the folder for a series."""
    if image.is_dir():
        return image.resolve().name
    suffix = next(s for s in READABLE_SUFFIXES if image.name.lower().endswith(s))
    return image.name[: -len(suffix)].removesuffix("_image")


def _whole(text: str, least: int, most: int = 10**19) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text) or int(text) < least:
        raise ValueError(f"'{text[:_SHOWN]}' is not a whole number of at least {least}.")
    if int(text) > most:
        raise ValueError(f"{text} is more than {most:,}, the largest number here. Give a smaller number.")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = decimal(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"'{text[:_SHOWN]}' is not a positive number.")
    return value
