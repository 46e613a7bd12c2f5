"""Reads a JSON file that somebody else may have written, within bounds of size and depth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["MOST_BYTES", "read_json"]

#: Largest JSON file that is read. Files of TumorGen and ROI files of Slicer have a few kB.
MOST_BYTES = 16 * 2**20


def read_json(path: Path) -> Any:
    """Returns the value of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is not JSON, is larger than ``MOST_BYTES``, or nests values too deeply.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"the file is larger than {MOST_BYTES // 2**20} MB")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
