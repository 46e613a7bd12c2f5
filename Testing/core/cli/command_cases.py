"""Shared by the tests of commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TumorGenCore.volumes.provenance_file import provenance_path

__all__ = ["BOX_RAS", "assert_one_line", "provenance", "voxels"]

BOX_RAS = "-25,20,-40,40,44,48"  # Around the hot ball of P2 at (25, -20, -40) LPS.


def voxels(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def provenance(path: Path) -> dict:
    return json.loads(provenance_path(path).read_text())


def assert_one_line(text: str) -> None:
    assert text.startswith("tumorgen: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
