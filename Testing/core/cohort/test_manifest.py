"""A manifest is read as spreadsheets write it; a table that would cost too much or says nothing is refused by name."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from TumorGenCore.cohort.manifest import MOST_RESULTS, read_manifest
from TumorGenCore.errors import ManifestError


@pytest.fixture
def table(tmp_path: Path):
    """Writes a manifest beside an empty scan; its content is not read."""
    (tmp_path / "a.nrrd").write_bytes(b"")
    (tmp_path / "b.nrrd").write_bytes(b"")

    def write(text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "manifest.csv"
        path.write_text(text, encoding=encoding, newline="")
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_and_line_ends_of_spreadsheets_are_read(table, encoding, end):
    (row,) = read_manifest(table(end.join(["image,name,count,seed", "a.nrrd,Größe,3,7", ""]), encoding))
    assert (row.name, row.seeds, row.image.name) == ("Größe", range(7, 10), "a.nrrd")


@pytest.mark.parametrize(("encoding", "name"), [("utf-16", "Groesse"), ("cp1252", "Größe"), ("utf-16-le", "Größe")])
def test_another_encoding_is_refused_by_name(table, encoding, name):
    with pytest.raises(ManifestError, match=r"manifest\.csv.*(UTF-8|unknown)"):
        read_manifest(table(f"image,name\na.nrrd,{name}\n", encoding))


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_another_separator_is_named(table, sign, name):
    with pytest.raises(ManifestError, match=f"line 1: the columns are separated by {name}. Save the table with commas"):
        read_manifest(table(f"name{sign}image{sign}count\nA{sign}a.nrrd{sign}3\n"))


@pytest.mark.parametrize("count", [MOST_RESULTS + 1, 10**12, 10**18])
def test_too_large_a_count_is_refused_with_the_bound_and_without_memory(table, count):
    path = table(f"image,count\na.nrrd,{count}\n")
    tracemalloc.start()
    try:
        with pytest.raises(ManifestError, match=r"line 2, column count: \d+ is more than 1,000,000"):
            read_manifest(path)
        assert tracemalloc.get_traced_memory()[1] < 1e8
    finally:
        tracemalloc.stop()


def test_the_bound_counts_all_rows(table):
    assert len(read_manifest(table(f"image,count\na.nrrd,{MOST_RESULTS}\n"))[0].seeds) == MOST_RESULTS
    with pytest.raises(ManifestError, match=r"line 3, column count: .* more than 1,000,000 results"):
        read_manifest(table(f"image,count\na.nrrd,{MOST_RESULTS}\nb.nrrd,1\n"))


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("count", "9" * 400, "is not a whole number"),
        ("count", "0", "is not a whole number"),
        ("count", "3.0", "is not a whole number"),
        ("count", "nan", "is not a whole number"),
        ("tumors", str(10**12), "is more than 1,000"),
        ("steps", str(10**12), "use at most 10,000"),
        ("suv_factor", "1e400", "is not a positive number"),
        ("suv_factor", "1,5", "cells"),
        ("suv_max", "nan", "is not a positive number"),
        ("suv_max", "1_0", "is not a positive number"),
        ("suv_max", "\uff12", "is not a positive number"),
        ("least_quality", "0_1", "is no number"),
        ("least_quality", "nan", "give a number from 0 to 1"),
        ("box", "1e400,0,0,1,1,1", "cells"),
        ("roi", "r" * 400, "cannot be used"),
        ("roi", "r" * 5000, "5,000 letters; a cell has at most 4,096"),
        ("name", "n" * 100_000, "100,000 letters"),
        ("name", "n" * 200_000, "field larger than field limit"),
        ("region", "x\0y", "(null|no file)"),
    ],
)
def test_a_cell_that_cannot_be_used_is_refused_in_few_words(table, column, cell, words):
    with pytest.raises(ManifestError, match=words) as error:
        read_manifest(table(f"image,{column}\na.nrrd,{cell}\n"))
    assert len(str(error.value)) < 600


def test_a_manifest_that_is_a_folder_or_too_large_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="cannot be opened"):
        read_manifest(tmp_path)
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ManifestError, match=r"huge\.csv is larger than 64 MB"):
        read_manifest(path)


def test_an_roi_that_cannot_be_used_names_line_and_column(table, tmp_path):
    (tmp_path / "r.mrk.json").write_text("[" * 100_000)
    with pytest.raises(ManifestError, match=r"line 2, column roi: .*nested too deeply"):
        read_manifest(table("image,roi\na.nrrd,r.mrk.json\n"))
