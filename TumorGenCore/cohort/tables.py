"""The two tables of a cohort: the results, and the rows that were left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from TumorGenCore.cohort.results import Record
from TumorGenCore.errors import ManifestError
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["CASES_COLUMNS", "CASES_FILE", "FAILURES_COLUMNS", "FAILURES_FILE", "read_cases", "write_table"]

CASES_FILE = "cases.csv"
CASES_COLUMNS = (
    "name",
    "seed",
    "source",
    "boxes_ras_mm",
    "suv_max",
    "suv_mean",
    "volume_ml",
    "quality",
    "redrawn",
    "warnings",
    "image",
    "mask",
    "provenance",
    "image_sha256",
    "mask_sha256",
)
FAILURES_FILE = "failures.csv"
FAILURES_COLUMNS = ("name", "seed", "source", "reason")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Writes a CSV table completely or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as temporary:
        temporary.write_text(table.getvalue(), encoding="utf-8", newline="")


def read_cases(path: Path) -> list[Record]:
    """Reads the lines of ``cases.csv``.

    Raises:
        ManifestError: the file is damaged or from another version.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            records, columns = list(reader), tuple(reader.fieldnames or ())
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} is damaged ({error}). {_REMEDY}") from error
    whole = all(len(record) == len(CASES_COLUMNS) and None not in record.values() for record in records)
    if columns == CASES_COLUMNS and whole and all(r["seed"].isdecimal() for r in records):
        return records
    raise ManifestError(f"{path} is damaged or from another version of TumorGen. {_REMEDY}")


_REMEDY = "Give another folder, or delete this table to make all results again."
