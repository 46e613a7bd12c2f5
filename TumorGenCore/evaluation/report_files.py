"""The files of a report: its figures as JSON, its text as Markdown, and its pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from TumorGenCore.volumes.safe_write import replacing

__all__ = ["Picture", "write_report", "write_text"]

#: Draws a picture and writes it to the path.
Picture = Callable[[Path], object]


def write_report(folder: Path, report: Mapping, text: str, pictures: Mapping[str, Picture]) -> None:
    """Write ``report.json`` and ``report.md``, then the pictures. Each file is written whole or not at all.

    The pictures come last: one that fails must not cost the figures.

    Args:
        folder: it exists.
        report: the figures, ready for JSON.
        text: the same, Markdown.
        pictures: by file name.

    Raises:
        OSError: a file cannot be written.
    """
    write_text(folder / "report.json", json.dumps(report, indent=2) + "\n")
    write_text(folder / "report.md", text)
    for name, draw in pictures.items():
        draw(folder / name)


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text)
