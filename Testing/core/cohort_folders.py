"""Makes and reads folders of `tumorgen synthesize` for tests."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from TumorGenCore.cli import main


def table(out: Path, name: str = "cases.csv") -> list[dict[str, str]]:
    with (out / name).open(newline="") as file:
        return list(csv.DictReader(file))


def content(out: Path) -> dict[str, object]:
    """Returns everything in a folder except creation times."""
    files: dict[str, object] = {}
    for path in sorted(out.iterdir()):
        if path.name.endswith(".provenance.json"):
            record = json.loads(path.read_text())
            del record["created_utc"]
            files[path.name] = record
        else:
            files[path.name] = path.read_bytes()
    return files


def made_run(folder: Path, table_text: str, bundle: Path) -> Path:
    """Makes the results of a table in ``folder``, with two steps, and returns their folder."""
    (folder / "manifest.csv").write_text(table_text)
    options = ["--steps", "2", "--device", "cpu", "--model", str(bundle), "--quiet"]
    assert main(["synthesize", str(folder / "manifest.csv"), "--output", str(folder / "made"), *options]) == 0
    return folder / "made"
