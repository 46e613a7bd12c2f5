"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real PET scans, which the repository does not hold."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TUMORGEN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs the real PET scans, and {folder} is missing; set TUMORGEN_DATA to their folder")
    return folder
