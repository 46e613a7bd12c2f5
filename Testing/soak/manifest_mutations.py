"""Damages the cells of a manifest."""

from __future__ import annotations

import csv
import io

import numpy as np
from good_inputs import Files
from mutations import NO_NUMBERS, ODD_NUMBERS, Change, change_bytes, change_encoding, change_lines, in_file, pick

__all__ = ["change_manifest"]


_CELLS = (
    *NO_NUMBERS,
    *ODD_NUMBERS,
    "a.nii",
    "missing.nii",
    "../a.nii",
    "box.mrk.json",
    "1,2,3,4,5,6",
    "1,2,3,4,5,0",
    "1,2,3,nan,5,6",
    "x" * 5000,
    "euler",
    "rk4",
    "a b",
    ".",
    "CON",
    "\u00e9",
    "true",
    "1e3",
    "1e2",
    " 7 ",
    "+7",
    "007",
    "\t3",
)


def change_manifest(rng: np.random.Generator, files: Files) -> tuple[Files, Change]:
    """Damages a cell, a line, the separator, the encoding or bytes of a table."""
    name = next(iter(files))
    content = files[name]
    way = rng.random()
    if way < 0.25:
        return in_file(files, name, change_bytes(rng, content))
    if way < 0.35:
        return in_file(files, name, change_encoding(rng, content))
    if way < 0.45:
        return in_file(files, name, change_lines(rng, content))
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (csv.Error, UnicodeDecodeError):
        return in_file(files, name, change_bytes(rng, content))
    if not rows or not rows[0]:
        return in_file(files, name, change_bytes(rng, content))
    r, c = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
    cell = str(pick(rng, _CELLS))
    rows[r] += [""] * (c + 1 - len(rows[r]))
    column, rows[r][c] = rows[0][c], cell
    corrupt = ""
    if (
        r
        and cell.strip() in NO_NUMBERS
        and cell
        and column in ("count", "tumors", "seed", "suv_factor", "suv_max", "suv_mean", "fill", "steps")
    ):
        corrupt = f"{column} is {cell[:20]!r}"
    if way < 0.55:
        rows[r].append("more")
        corrupt = "a line has more cells than columns" if len(rows[r]) > len(rows[0]) and r else ""
    text = io.StringIO()
    csv.writer(text, delimiter=str(pick(rng, (",", ",", ",", ",", ";", "\t"))), lineterminator="\n").writerows(rows)
    return in_file(files, name, Change(text.getvalue().encode(), f"line {r}, {column[:20]}: {cell[:20]!r}", corrupt))
