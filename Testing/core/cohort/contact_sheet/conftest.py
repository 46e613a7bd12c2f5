"""A finished run of `tumorgen synthesize` with a tiny bundle, and its contact sheet."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cohort_folders import made_run

from TumorGenCore.cli import main


@pytest.fixture(scope="session")
def made(tiny_cases: Path, tiny_bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four lesions in three results: two of a box, two in one body."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(tiny_cases / "P1-a_image.nii.gz", folder / "MillerAnna.nii.gz")
    table = (
        "image,name,box,count,tumors,suv_factor,suv_max\n"
        'MillerAnna.nii.gz,boxed,"-25,20,-40,40,44,48",2,,1,4\n'
        "MillerAnna.nii.gz,free,,1,2,1,9\n"
    )
    return made_run(folder, table, tiny_bundle_folder)


@pytest.fixture(scope="session")
def sheet(made: Path) -> Path:
    """The folder of the sheet, beside that of the results."""
    output = made.parent / "sheet"
    assert main(["contact-sheet", str(made), "--output", str(output), "--suv-window", "8", "--quiet"]) == 0
    return output
