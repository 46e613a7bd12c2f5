"""Manifests of tiny scans, and runs of `tumorgen synthesize` with a tiny bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from TumorGenCore.cli import main
from TumorGenCore.insertion.generator import TumorGenerator

HEADER = "image,name,box,roi,region,count,tumors,seed,suv_factor,suv_max,suv_mean"


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, "cpu")


@pytest.fixture
def manifest(tiny_cases, tmp_path):
    """Writes a manifest to its own folder, with links to the tiny scans beside it."""
    folder = tmp_path / "manifest"
    folder.mkdir()
    for path in tiny_cases.rglob("*.nii.gz"):
        (folder / path.name).symlink_to(path)

    def write(*lines: str, header: str = HEADER) -> Path:
        path = folder / "manifest.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return write


@pytest.fixture
def run(tiny_bundle_folder, tmp_path):
    def run(manifest: Path, *options: str, out: str = "out") -> int:
        # In this process, and without a gate: untrained networks never reach it.
        needed = ["--output", str(tmp_path / out), "--steps", "2", "--device", "cpu", "--workers", "1"]
        more = ["--least-quality", "0", "--model", str(tiny_bundle_folder)]
        return main(["synthesize", str(manifest), *needed, *more, *options])

    return run
