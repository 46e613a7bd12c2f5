"""The tables of a cohort: the results, what is known about each lesion, and the rows that were left out.

A table grows by a line for each result. Writing it again each time would take ever longer: the tables may have a
million lines. A kill can leave half of the last line; then its result counts as not made.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from TumorGenCore.cohort.results import Record
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.truth_columns import COLUMNS as TRUTH_COLUMNS
from TumorGenCore.insertion.truth_table import text_row
from TumorGenCore.interrupts import held_stops
from TumorGenCore.volumes.safe_write import replacing

__all__ = [
    "CASES_COLUMNS",
    "CASES_FILE",
    "FAILURES_COLUMNS",
    "FAILURES_FILE",
    "TRUTH_FILE",
    "Table",
    "TruthTable",
    "csv_lines",
    "header_line",
    "read_cases",
    "read_truth",
    "table_lines",
    "truth_lines",
]

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
TRUTH_FILE = "truth.csv"
FAILURES_FILE = "failures.csv"
FAILURES_COLUMNS = ("name", "seed", "source", "reason")


class Table:
    """A CSV table on disk that grows at its end.

    Args:
        path: the file; a file that is there is replaced. There is no file as long as the table has no row.
        columns: the columns.
        rows: rows to begin with.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], rows: Iterable[Record] = ()) -> None:
        self.path, self.columns = path, columns
        self.rows: list[Record] = []
        self.replace(rows)

    def replace(self, rows: Iterable[Record]) -> None:
        """Gives the table these rows, completely or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        self.rows = list(rows)
        if not self.rows:
            self.path.unlink(missing_ok=True)
            return
        with replacing(self.path) as temporary:
            temporary.write_bytes(header_line(self.columns) + csv_lines(self.columns, self.rows))

    def add(self, *rows: Record) -> None:
        """Adds rows at the end, completely or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        if not self.path.exists():
            self.replace([*self.rows, *rows])
            return
        append(self.path, csv_lines(self.columns, rows))
        self.rows += rows


class TruthTable:
    """The table of what is known about each lesion: ``insertion.truth_table``, which grows at its end.

    It keeps its lines as bytes, because a line has many columns.

    Args:
        path: the file; a file that is there is replaced. There is no file as long as the table has no row.
        lines: lines of each result to begin with, by ``stem``.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, lines: Mapping[str, bytes]) -> None:
        self.path = path
        self.lines: dict[str, bytes] = {}
        self._replace(lines)

    def sort(self, order: Sequence[str]) -> None:
        """Puts the results in this order, completely or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        if list(self.lines) != list(order):
            self._replace({stem: self.lines[stem] for stem in order})

    def add(self, stem: str, lines: bytes) -> None:
        """Adds the lines of a result at the end (``truth_lines``), completely or not at all.

        Raises:
            OSError: the file cannot be written.
        """
        if not self.path.exists():
            self._replace({**self.lines, stem: lines})
            return
        append(self.path, lines)
        self.lines[stem] = lines

    def take_back(self, stem: str) -> None:
        """Removes the rows of the result that was added last. It needs no space on the disk."""
        lines = self.lines.pop(stem)
        if self.lines:
            os.truncate(self.path, self.path.stat().st_size - len(lines))
        else:
            self.path.unlink()

    def _replace(self, lines: Mapping[str, bytes]) -> None:
        if lines:
            with replacing(self.path) as temporary:
                temporary.write_bytes(b"".join([_TRUTH_HEADER, *lines.values()]))
        else:
            self.path.unlink(missing_ok=True)
        self.lines = dict(lines)


def truth_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Returns rows of ``insertion.truth_table`` as lines of ``truth.csv``."""
    return csv_lines(list(TRUTH_COLUMNS), [text_row(row) for row in rows])


def append(path: Path, lines: bytes) -> None:
    """Adds lines at the end of a table, completely or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with held_stops(), path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        left = memoryview(lines)
        try:
            while left:  # A disk that gets full takes a part.
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(size)
            raise OSError(
                f"{path} cannot be written ({error.strerror}). Free some space, and continue with --resume."
            ) from error


def header_line(columns: Sequence[str]) -> bytes:
    """Returns the first line of a table."""
    return csv_lines(columns, [{column: column for column in columns}])


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """Returns rows as CSV in UTF-8. Each is one line, so that half a line is found by its missing end."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    for row in rows:
        writer.writerow({column: value.replace("\r", " ").replace("\n", " ") for column, value in row.items()})
    return text.getvalue().encode()


def read_cases(path: Path) -> list[Record]:
    """Reads the rows of ``cases.csv``, except half a line at its end, which a kill can leave.

    Raises:
        ManifestError: the file is damaged or from another version.
    """
    try:
        whole_lines = path.read_bytes().rpartition(b"\n")[0].decode()
        reader = csv.DictReader(io.StringIO(whole_lines, newline=""), strict=True)
        records, columns = list(reader), tuple(reader.fieldnames or ())
    except (csv.Error, UnicodeDecodeError) as error:
        raise ManifestError(f"{path} is damaged ({error}). {_REMEDY}") from error
    whole = all(len(record) == len(CASES_COLUMNS) and None not in record.values() for record in records)
    if columns == CASES_COLUMNS and whole and all(r["seed"].isdecimal() for r in records):
        return records
    raise ManifestError(f"{path} is damaged or from another version of TumorGen. {_REMEDY}")


def read_truth(path: Path) -> dict[str, list[bytes]]:
    """Reads the lines of ``truth.csv`` by the result that they belong to, except half a line at its end.

    Returns:
        Lines by ``stem``, one for each lesion; empty if there is no such file.

    Raises:
        ManifestError: the file is damaged or from another version.
    """
    if not path.is_file():
        return {}
    header, *lines = path.read_bytes().splitlines(keepends=True) or [b""]
    found: dict[str, list[bytes]] = {}
    try:
        for line in lines:
            if line.endswith(b"\n"):
                (cells,) = csv.reader([line.decode()], strict=True)
                row = dict(zip(TRUTH_COLUMNS, cells, strict=True))
                found.setdefault(row["simulation"], []).append(line)
    except (csv.Error, ValueError) as error:
        raise ManifestError(f"{path} is damaged ({error}). {_REMEDY}") from error
    if lines and header != _TRUTH_HEADER:
        raise ManifestError(f"{path} is damaged or from another version of TumorGen. {_REMEDY}")
    return found


def table_lines(paths: Sequence[Path]) -> tuple[bytes, list[bytes]]:
    """Reads the lines of tables that have the same columns; lines of ``Table`` have no line break inside.

    Returns:
        The header, and the lines of all tables in their order; both are empty without a table.

    Raises:
        ManifestError: a table ends with half a line, or the columns differ.
        OSError: a table cannot be read.
    """
    first, lines = b"", list[bytes]()
    for path in paths:
        header, *more = path.read_bytes().splitlines(keepends=True) or [b""]
        first = first or header
        if header != first or not all(line.endswith(b"\n") for line in (header, *more)):
            raise ManifestError(f"{path} is damaged or from another version of TumorGen. Make its part again.")
        lines += more
    return first, lines


_TRUTH_HEADER = header_line(list(TRUTH_COLUMNS))
_REMEDY = "Give another folder, or delete this table to make all results again."
