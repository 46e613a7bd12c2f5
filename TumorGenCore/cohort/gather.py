"""`tumorgen gather`: joins the tables of the parts of a run; the folder is then like that of a run of all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from TumorGenCore.cohort.output_folder import clear_leftovers, only_run
from TumorGenCore.cohort.parts import Part, RunFiles, parts_in
from TumorGenCore.cohort.results import ResultFiles
from TumorGenCore.cohort.tables import read_cases, table_lines
from TumorGenCore.errors import ManifestError
from TumorGenCore.volumes.safe_write import all_or_none, replacing

__all__ = ["gather"]


def gather(output: Path) -> tuple[int, int]:
    """Joins the parts of a run in a folder, in the order of the manifest, and removes their tables.

    Args:
        output: folder of the results.

    Returns:
        The number of results, and the number of results that were left out.

    Raises:
        ManifestError: a part is missing or has not ended, belongs to another manifest, or lacks a file of a result.
        OSError: a table cannot be read or written.
    """
    there = parts_in(output)
    if not there:
        raise ManifestError(f"{output} holds no parts of a run. Make them with `tumorgen synthesize --part i/N`.")
    count = max(part.of for part in there)
    parts = [RunFiles(output, Part(number, count)) for number in range(count)]
    with only_run(output):
        _check(parts, {part.of for part in there})
        made = _check_results(parts)
        whole = RunFiles(output)
        left_out = 0
        with all_or_none():
            for table, pieces in zip(whole.tables, zip(*(part.tables for part in parts), strict=True), strict=True):
                header, lines = table_lines([piece for piece in pieces if piece.is_file()])
                if lines:
                    with replacing(table) as temporary:
                        temporary.write_bytes(b"".join([header, *lines]))
                if table == whole.failures:
                    left_out = len(lines)
        for part in parts:
            for path in (part.note, *part.tables):
                if path is not None:
                    path.unlink(missing_ok=True)
        clear_leftovers(output)
    return made, left_out


def _check(parts: list[RunFiles], counts: set[int]) -> None:
    if len(counts) > 1:
        raise ManifestError(
            f"The folder holds parts out of {' and out of '.join(map(str, sorted(counts)))}. Remove the tables of one "
            "division, and make its results again."
        )
    notes: list[dict[str, Any] | None] = [_note(part) for part in parts]
    if open_parts := [str(part.part) for part, note in zip(parts, notes, strict=True) if note is None]:
        shown = ", ".join(open_parts[:5]) + ", ..." * (len(open_parts) > 5)
        raise ManifestError(
            f"{len(open_parts)} of {len(parts)} parts have not been made completely: {shown}. Make them with "
            "`tumorgen synthesize --part`, if they were begun with --resume."
        )
    if len({note["manifest"] for note in notes if note is not None}) > 1:
        raise ManifestError(
            "The parts were made from different manifests, options or bundles. Make them again with the same ones."
        )


def _note(part: RunFiles) -> dict[str, Any] | None:
    """Returns the note of a part that has been made."""
    try:
        note = json.loads(part.note.read_text(encoding="utf-8")) if part.note is not None else None
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and {"results", "manifest"} <= set(note) else None


def _check_results(parts: list[RunFiles]) -> int:
    """Checks that the files of all results are there, once each; returns their number."""
    seen: set[tuple[str, str]] = set()
    for part in parts:
        for record in read_cases(part.cases) if part.cases.is_file() else ():
            key = record["name"], record["seed"]
            files = ResultFiles.of((record["name"], int(record["seed"])), part.output)
            if missing := [path.name for path in files.paths if not path.is_file()]:
                raise ManifestError(f"{missing[0]} is missing. Make part {part.part} again with --resume.")
            if key in seen:
                raise ManifestError(f"{files.image.name} is in two parts. Make the parts again in a new folder.")
            seen.add(key)
    return len(seen)
