"""Fixtures for the tests of volumes and their files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dicom_slices import write_slice

from TumorGenCore.volumes.suv import UnknownUnitsWarning


@pytest.fixture
def quiet_units() -> Iterator[None]:
    """Ignores the warning about units in tests of other things."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownUnitsWarning)
        yield


@pytest.fixture
def series(tmp_path: Path) -> Callable[..., Path]:
    """Writes a series of slices 4 mm apart; the file names are not in the order of the heights."""

    def write(heights=(8.0, 0.0, 4.0, 12.0), uid="1.2.3.4", **tags) -> Path:
        for height in heights:
            name = f"{uid}-{(int(height) * 7) % 10}.dcm"
            write_slice(tmp_path / name, height, 5, 1.0 if height == 0.0 else 0.25, uid, **tags)
        return tmp_path

    return write
