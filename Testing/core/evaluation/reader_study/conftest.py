"""A small study of two folders: real and synthetic balls in bodies of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_cases import write_case

from TumorGenCore.cli import main

#: Cases of the folders, and the centers of their balls, LPS mm.
_CASES = ("Miller-1", "Miller-2", "Okafor-1"), ("Garcia-1", "Garcia-2", "Nguyen-1")
_CENTERS = ((-30.0, 10.0, 20.0), (25.0, -20.0, -10.0), (0.0, 30.0, 0.0))


@pytest.fixture(scope="session")
def two_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folders = tmp_path_factory.mktemp("real"), tmp_path_factory.mktemp("synthetic")
    for folder, names in zip(folders, _CASES, strict=True):
        for seed, (name, center) in enumerate(zip(names, _CENTERS, strict=True)):
            write_case(folder, name, center, seed)
    return folders


@pytest.fixture(scope="session")
def study(two_folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study with three real and three synthetic lesions of four patients."""
    real, synthetic = map(str, two_folders)
    output = tmp_path_factory.mktemp("study")
    folders = ["--real-folder", real, "--synthetic-folder", synthetic, "--output", str(output)]
    pattern = ["--patient-pattern", r"^(.+)-\d$"]
    assert main(["reader-study", "make", *folders, *pattern, "--real", "3", "--synthetic", "3", "--quiet"]) == 0
    return output


@pytest.fixture(scope="session")
def key(study: Path) -> dict:
    return json.loads((study / "key.json").read_text())
