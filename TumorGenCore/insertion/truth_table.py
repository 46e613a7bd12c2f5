"""The truth table: one row for each synthetic lesion, as CSV or JSON.

    rows = truth_table(VariantRun(...), person=read_person(folder))
    write_truth_table(rows, "truth.csv")

``truth_columns.COLUMNS`` has the columns with units and definitions. What is not known is empty in CSV and null in
JSON. Facts about the scanned person stand here and nowhere else, and only if the caller gives them.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.insertion.truth_columns import COLUMNS
from TumorGenCore.volumes.person import Person
from TumorGenCore.volumes.safe_write import check_file, replacing

__all__ = ["TRUTH_SUFFIXES", "HasTruth", "check_truth_path", "text_row", "truth_table", "write_truth_table"]

TRUTH_SUFFIXES = (".csv", ".json")
_NOBODY = Person()


class HasTruth(Protocol):
    """A synthetic volume that knows what is known about its lesions, such as ``Variant``."""

    @property
    def truth(self) -> tuple[dict[str, Any], ...]:
        """Rows from ``truth.lesion_rows``."""


def truth_table(
    variants: Iterable[HasTruth],
    *,
    person: Person = _NOBODY,
    patient: str | None = None,
    simulation: str | None = None,
    image: str | None = None,
) -> list[dict[str, Any]]:
    """Returns a row for each lesion of synthetic volumes, with the columns of ``COLUMNS`` in their order.

    Args:
        variants: the volumes; ``Variant((tumor,))`` makes one of a single tumor.
        person: facts about the person; see ``volumes.person.read_person``.
        patient: name of the case, never of a real person; None names it by the hash of the scan.
        simulation: name of the volume, if there is only one; None names it by its seed.
        image: file name of the volume, if there is only one.

    Returns:
        Numbers, texts and truths by column; None for what is not known.
    """
    given = {"patient": patient, "simulation": simulation}
    more = {**asdict(person), "image": image, **{name: value for name, value in given.items() if value is not None}}
    return [in_order({**row, **more}) for variant in variants for row in variant.truth]


def in_order(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row with its columns in the order of the table."""
    return {column: row[column] for column in COLUMNS}


def check_truth_path(path: str | os.PathLike[str]) -> None:
    """Checks, before any work, that a truth table can be written to ``path``.

    Raises:
        InvalidRequestError: the suffix is not one of ``TRUTH_SUFFIXES``.
        OSError: the folder does not exist or cannot be written to, or the path is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in TRUTH_SUFFIXES:
        raise InvalidRequestError(f"The truth table {path.name} must end in {' or '.join(TRUTH_SUFFIXES)}.")
    check_file(path)


def write_truth_table(rows: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Writes a truth table completely or not at all, in UTF-8.

    CSV has a line for each lesion below the header. JSON is an object with the statement that the lesions are
    synthetic, the definitions of the columns, and the lesions.

    Args:
        rows: from ``truth_table``.
        path: .csv or .json; an existing file is replaced.

    Raises:
        InvalidRequestError, OSError: see ``check_truth_path``; or the file cannot be written.
    """
    check_truth_path(path)
    text = _as_json(rows) if Path(path).suffix.lower() == ".json" else _as_csv(rows)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(text.encode())


def text_row(row: Mapping[str, Any]) -> dict[str, str]:
    """Returns a row as the texts of a CSV line; what is not known is empty, and truths are 1 and 0."""
    return {column: _text(value) for column, value in row.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(text_row(row) for row in rows)
    return text.getvalue()


def _as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    table = {"statement": STATEMENT, "columns": COLUMNS, "lesions": [dict(row) for row in rows]}
    return json.dumps(table, indent=2, allow_nan=False) + "\n"
