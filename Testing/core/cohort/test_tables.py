"""A table grows by whole lines, also on a full disk, and half a line that a kill leaves counts as none."""

from __future__ import annotations

from pathlib import Path

import pytest
from full_disk import file_size_limit

from TumorGenCore.cohort.tables import CASES_COLUMNS, Table, read_cases

HEADER = ",".join(CASES_COLUMNS).encode() + b"\n"


def row(seed: int, **values: str) -> dict[str, str]:
    return {**dict.fromkeys(CASES_COLUMNS, "x"), "seed": str(seed), **values}


def line(seed: int) -> bytes:
    return b",".join(str(seed).encode() if column == "seed" else b"x" for column in CASES_COLUMNS) + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cases.csv"


def test_rows_come_at_the_end_and_nothing_before_them_is_written_again(path: Path) -> None:
    table = Table(path, CASES_COLUMNS)
    assert not path.exists()
    table.add(row(3))
    file = path.stat().st_ino
    table.add(row(1), row(2))
    assert path.read_bytes() == HEADER + line(3) + line(1) + line(2)
    assert path.stat().st_ino == file
    assert read_cases(path) == table.rows == [row(3), row(1), row(2)]
    table.replace([row(1), row(2), row(3)])
    assert path.read_bytes() == HEADER + line(1) + line(2) + line(3)


def test_a_table_begins_with_its_rows_and_drops_those_that_were_there(path: Path) -> None:
    path.write_text("old")
    assert Table(path, CASES_COLUMNS, [row(7)]).rows == read_cases(path) == [row(7)]
    Table(path, CASES_COLUMNS)
    assert not path.exists()


def test_a_table_that_somebody_deleted_is_written_again_whole(path: Path) -> None:
    table = Table(path, CASES_COLUMNS, [row(1)])
    path.unlink()
    table.add(row(2))
    assert read_cases(path) == [row(1), row(2)]


def test_half_a_line_at_the_end_counts_as_none(path: Path) -> None:
    Table(path, CASES_COLUMNS, [row(1), row(2)])
    whole = path.read_bytes()
    for left in range(1, len(line(2))):
        path.write_bytes(whole[: len(HEADER + line(1)) + left])
        assert read_cases(path) == [row(1)]


def test_a_text_of_several_lines_becomes_one_line(path: Path) -> None:
    Table(path, CASES_COLUMNS, [row(1, source="a\r\nb\nc.nii", warnings='say "no", please')])
    assert path.read_bytes().count(b"\n") == 2
    assert read_cases(path) == [row(1, source="a  b c.nii", warnings='say "no", please')]


def test_rows_that_find_no_space_leave_the_table_as_it_was(path: Path) -> None:
    table = Table(path, CASES_COLUMNS, [row(1)])
    before = path.read_bytes()
    with file_size_limit(len(before) + 10), pytest.raises(OSError, match=r"cases\.csv cannot be written .*--resume"):
        table.add(row(2))
    assert path.read_bytes() == before and table.rows == [row(1)]
    table.add(row(2))
    assert read_cases(path) == [row(1), row(2)]
