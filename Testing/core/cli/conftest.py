"""`tumorgen insert` on a tiny case with a tiny bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_cases import BOX_RAS

from TumorGenCore.cli import main


@pytest.fixture
def pet(tiny_cases) -> Path:
    return tiny_cases / "P2_image.nii.gz"


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def insert(pet, tiny_bundle_folder, out):
    """Runs `tumorgen insert` with all required options; later options replace them."""

    def run(*options: str, box: tuple[str, ...] = ("--box", BOX_RAS), scan: Path = pet) -> int:
        needed = ["--suv-factor", "1", "--steps", "2", "--device", "cpu", "--model", str(tiny_bundle_folder)]
        outputs = ["--output-image", str(out / "case.nrrd"), "--output-mask", str(out / "case.seg.nrrd")]
        return main(["insert", str(scan), *box, *needed, *outputs, *options])

    return run
