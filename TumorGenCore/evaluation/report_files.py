"""The files of a report: its values as JSON, its text as Markdown, and its pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from TumorGenCore.volumes.safe_write import replacing

__all__ = ["Picture", "write_report", "write_text"]

#: Function that draws a picture and writes it to a path.
Picture = Callable[[Path], object]


def write_report(folder: Path, report: Mapping, text: str, pictures: Mapping[str, Picture]) -> None:
    """Writes ``report.json`` and ``report.md``, then the pictures. Writes each file whole or not at all.

    The pictures come last, so that a failing picture does not lose the values.

    Args:
        folder: existing folder.
        report: the values, ready for JSON.
        text: the report as Markdown.
        pictures: pictures by file name.

    Raises:
        OSError: a file cannot be written.
    """
    write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
    write_text(folder / "report.md", text)
    for name, draw in pictures.items():
        draw(folder / name)


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text)
