"""A finished run of `tumorgen synthesize` with a tiny bundle, and its contact sheet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from TumorGenCore.cli import main


@pytest.fixture(scope="session")
def made(tiny_cases: Path, tiny_bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four lesions in three results: two of a box, two in one body."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(tiny_cases / "P1-a_image.nii.gz", folder / "MillerAnna.nii.gz")
    (folder / "manifest.csv").write_text(
        "image,name,box,count,tumors,suv_factor,suv_max\n"
        'MillerAnna.nii.gz,boxed,"-25,20,-40,40,44,48",2,,1,4\n'
        "MillerAnna.nii.gz,free,,1,2,1,9\n"
    )
    options = ["--steps", "2", "--device", "cpu", "--model", str(tiny_bundle_folder), "--quiet"]
    assert main(["synthesize", str(folder / "manifest.csv"), "--output", str(folder / "made"), *options]) == 0
    return folder / "made"


@pytest.fixture(scope="session")
def sheet(made: Path) -> Path:
    """The folder of the sheet, beside that of the results."""
    output = made.parent / "sheet"
    assert main(["contact-sheet", str(made), "--output", str(output), "--suv-window", "8", "--quiet"]) == 0
    return output
