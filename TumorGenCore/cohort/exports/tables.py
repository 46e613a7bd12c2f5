"""``cases.csv`` and ``truth.csv`` of an export: with the files of the export, and without facts about a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.cohort.results import Record
from TumorGenCore.cohort.tables import CASES_COLUMNS, CASES_FILE, TRUTH_FILE, csv_lines, header_line
from TumorGenCore.insertion.truth_columns import COLUMNS
from TumorGenCore.volumes.person import Person
from TumorGenCore.volumes.safe_write import write_pieces

__all__ = ["CASES", "LESIONS", "write_tables"]

#: Columns of the exported ``cases.csv``: without the name of the scan's file, and without the provenance's file.
CASES = tuple(column for column in CASES_COLUMNS if column not in ("source", "provenance"))
#: Columns of the exported ``truth.csv``.
LESIONS = tuple(column for column in COLUMNS if column not in {field.name for field in fields(Person)})


def write_tables(folder: Path, cases: Sequence[Case], files: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Writes both tables.

    Args:
        folder: of the export.
        cases: the results.
        files: image and mask of each result in the export, by its stem.

    Returns:
        SHA-256 of each table by its name.

    Raises:
        OSError: a table cannot be written.
    """
    results, lesions = [], []
    for case in cases:
        image, mask = files[case.stem]
        results.append(_nameless({**case.record, "image": image, "mask": mask}, case))
        lesions += [_nameless({**lesion, "image": image}, case) for lesion in case.lesions]
    return {
        CASES_FILE: write_pieces(folder / CASES_FILE, _pieces(CASES, results)),
        TRUTH_FILE: write_pieces(folder / TRUTH_FILE, _pieces(LESIONS, lesions)),
    }


def _nameless(row: Record, case: Case) -> Record:
    """Takes the names of the scan's files out of the warnings."""
    text = row["warnings"]
    for name in sorted(case.file_names, key=len, reverse=True):
        text = text.replace(name, "(file)")
    return {**row, "warnings": text}


def _pieces(columns: Sequence[str], rows: Sequence[Record]) -> list[bytes]:
    """Returns header and lines of a table with these columns of its rows."""
    return [header_line(columns), csv_lines(columns, [{column: row[column] for column in columns} for row in rows])]
