"""Reads a box from six numbers on the command line; reads and writes it as an ROI in a Slicer markups file."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.volumes.geometry import Box, Matrix, Vector
from TumorGenCore.volumes.header_text import decimal
from TumorGenCore.volumes.json_file import read_json
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["parse_box", "read_box", "write_box"]

_MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
#: Largest coordinate or edge, mm: no scanner is longer than a kilometer.
_MOST_MM = 1_000_000
_ROI_HINT = "Place one ROI box in Slicer's Markups module and save it as .mrk.json."


def parse_box(text: str, frame: Literal["ras", "lps"] = "ras") -> Box:
    """Reads a box from text.

    Args:
        text: ``CX,CY,CZ,SX,SY,SZ``: center and full edge lengths along the axes of the frame, mm.
        frame: frame of the center.

    Raises:
        InvalidBoxError: the text is not six numbers, the frame is unknown, or an edge is not positive.
    """
    try:
        numbers = [decimal(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6:
        raise InvalidBoxError(f"The box '{text}' must be six numbers in mm: CX,CY,CZ,SX,SY,SZ.")
    axes: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return _box_in_frame(frame, _triple(numbers[:3]), _triple(numbers[3:]), axes)


def read_box(path: str | os.PathLike[str]) -> Box:
    """Reads the box of the only ROI in a Slicer markups file (.mrk.json), in LPS or RAS.

    The file holds the coordinates of the ROI itself. A transform that is not hardened in Slicer is not in the file.

    Args:
        path: file that 3D Slicer saved.

    Raises:
        InvalidBoxError: it is not a markups file, it does not hold exactly one ROI of type Box or BoundingBox, or
            values are missing or cannot be used.
    """
    path = Path(path)
    try:
        content = read_json(path)
    except OSError as error:
        raise InvalidBoxError(f"The ROI file {path} cannot be opened ({error.strerror}). Check the path.") from error
    except ValueError as error:
        raise InvalidBoxError(f"{path.name} is not a markups file ({error}). {_ROI_HINT}") from error
    markups = content.get("markups") if isinstance(content, dict) else None
    if not isinstance(markups, list) or not all(isinstance(markup, dict) for markup in markups):
        raise InvalidBoxError(f"{path.name} has no list of markups. {_ROI_HINT}")
    if len(markups) != 1:
        raise InvalidBoxError(f"{path.name} has {len(markups)} markups, but must have exactly one ROI. {_ROI_HINT}")
    roi = markups[0]
    if roi.get("type") != "ROI":
        raise InvalidBoxError(f"{path.name} has a markup of type {_shown(roi.get('type'))} and not an ROI. {_ROI_HINT}")
    if roi.get("roiType", "Box") not in ("Box", "BoundingBox"):
        raise InvalidBoxError(f"The ROI in {path.name} has the type {_shown(roi['roiType'])}, not Box. {_ROI_HINT}")
    if roi.get("insideOut", False):
        raise InvalidBoxError(f"The ROI in {path.name} is inside out. Turn 'Inside out' off and save it again.")
    if not _in_mm(roi.get("coordinateUnits")):
        raise InvalidBoxError(
            f"The ROI in {path.name} has the coordinateUnits {_shown(roi['coordinateUnits'])}. Save it in mm."
        )
    # Slicer writes the axes of the ROI as columns of a row-major matrix, in the coordinate system of the file.
    matrix = _numbers(roi, "orientation", 9, path)
    return _box_in_frame(
        _shown(roi.get("coordinateSystem", "LPS")).lower(),
        _triple(_numbers(roi, "center", 3, path)),
        _triple(_numbers(roi, "size", 3, path)),
        (_triple(matrix[:3]), _triple(matrix[3:6]), _triple(matrix[6:])),
    )


def write_box(box: Box, path: str | os.PathLike[str], name: str = "Tumor box") -> None:
    """Writes a box as an ROI for Slicer (.mrk.json, LPS), completely or not at all.

    Args:
        box: the box.
        path: file to write; an existing file is replaced.
        name: name of the ROI in Slicer.

    Raises:
        OSError: the file cannot be written.
    """
    center = list(box.center_lps)
    roi = {
        "type": "ROI",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "roiType": "Box",
        "center": center,
        "orientation": np.ravel(box.axes).tolist(),
        "size": list(box.size_mm),
        "insideOut": False,
        "controlPoints": [{"id": "1", "label": f"{name}-1", "position": center, "positionStatus": "defined"}],
    }
    with replacing(Path(path)) as temporary:
        temporary.write_text(json.dumps({"@schema": _MARKUPS_SCHEMA, "markups": [roi]}, indent=4), encoding="utf-8")


def _box_in_frame(frame: str, center: Vector, size: Vector, axes: Matrix) -> Box:
    if frame == "ras":
        return Box.from_ras(center, size, axes)
    if frame == "lps":
        return Box(center, size, axes)
    raise InvalidBoxError(f"The coordinate system '{frame}' of the box must be LPS or RAS.")


def _in_mm(units: Any) -> bool:
    """Whether units are mm, as a text or a DICOM code; without units they are, as in Slicer, which writes mm."""
    code = units[0] if isinstance(units, list) and units else units
    return code is None or code == "mm"


def _shown(value: Any) -> str:
    """Text of a value for a message, shortened."""
    return reprlib.repr(value).strip("'")


def _triple(values: Sequence[float]) -> Vector:
    a, b, c = values
    return (a, b, c)


def _numbers(roi: Mapping[str, Any], key: str, count: int, path: Path) -> list[float]:
    values = roi.get(key)
    numbers = values if isinstance(values, list) else []
    # Larger whole numbers than a float holds are not lengths in mm.
    usable = [v for v in numbers if isinstance(v, int | float) and not isinstance(v, bool) and not abs(v) > _MOST_MM]
    if len(usable) != count or len(numbers) != count:
        raise InvalidBoxError(
            f"'{key}' of the ROI in {path.name} must be {count} numbers of at most {_MOST_MM:,} in size, not "
            f"{_shown(values)}. {_ROI_HINT}"
        )
    return usable
