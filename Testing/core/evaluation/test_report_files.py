"""Writing a report: every file whole or not at all, values before pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from TumorGenCore.evaluation.report_files import write_report


def test_a_report_is_written_with_its_pictures(tmp_path: Path) -> None:
    write_report(tmp_path, {"a": 1}, "# A\n", {"a.png": lambda path: path.write_bytes(b"png")})
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}
    assert (tmp_path / "report.md").read_text() == "# A\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "report.json", "report.md"]


def test_a_picture_that_fails_costs_no_figures(tmp_path: Path) -> None:
    def fails(path: Path) -> None:
        raise ValueError("no panels")

    with pytest.raises(ValueError, match="no panels"):
        write_report(tmp_path, {"a": 1}, "# A\n", {"a.png": fails})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_what_is_no_json_leaves_the_earlier_report(tmp_path: Path) -> None:
    write_report(tmp_path, {"a": 1}, "# A\n", {})
    with pytest.raises(TypeError):
        write_report(tmp_path, {"a": object()}, "# B\n", {})
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1}
    assert (tmp_path / "report.md").read_text() == "# A\n"
