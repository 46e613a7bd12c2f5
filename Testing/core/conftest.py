"""Fixtures of the core's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_cases import write_case


@pytest.fixture(scope="session")
def tiny_cases(tmp_path_factory) -> Path:
    """Four patients in five scans: P1 has two, P4 has no tumour."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "more").mkdir()
    write_case(folder, "P1-a", (-30.0, 10.0, 40.0), 1)
    write_case(folder, "P1-b", (-28.0, 12.0, 30.0), 2)
    write_case(folder, "P2", (25.0, -20.0, -40.0), 3)
    write_case(folder / "more", "P3", (0.0, 30.0, 0.0), 4)
    write_case(folder / "more", "P4", None, 5)
    return folder
