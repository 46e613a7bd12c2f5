"""The command lines that the soak runs, and their small inputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from dicom_slices import write_slice
from pydicom.uid import generate_uid
from small_cases import write_case
from tiny_bundle import write_tiny_bundle
from training_runs import AUTOENCODER, GENERATOR

__all__ = ["ENVIRONMENT", "TOOL", "Inputs", "ended"]

TOOL = [sys.executable, "-m", "TumorGenCore.cli"]
#: One thread, so that results are the same bit for bit.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}

_BOX = "--box=-25,20,-40,40,44,48"  # RAS, around the ball of P2
_SERIES_BOX = "--box=-46,-46,40,40,40,40"


class Inputs:
    """Small scans, a tiny bundle and settings of trainings in a folder, and the commands that read them.

    Args:
        folder: folder for the inputs; created.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scans = folder / "scans"
        self.scans.mkdir(parents=True)
        centers = {"P1": (-30.0, 10.0, 40.0), "P2": (25.0, -20.0, -40.0), "P3": (0.0, 30.0, 0.0), "P4": None}
        for seed, (name, center) in enumerate(centers.items()):
            write_case(self.scans, name, center, seed)
        (self.scans / "short.nii.gz").write_bytes((self.scans / "P1_image.nii.gz").read_bytes()[:2000])
        self.series = folder / "series"
        _write_series(self.series)
        self.bundle = write_tiny_bundle(folder / "tiny")
        self.manifest = self.write_manifest("manifest", "P2_image.nii.gz,a,4,1", "short.nii.gz,b,2,1",
                                            "P4_image.nii.gz,c,4,1")  # fmt: skip
        self.autoencoder = folder / "autoencoder"
        for stage, settings in (("autoencoder", AUTOENCODER), ("generator", GENERATOR)):
            (folder / f"{stage}.json").write_text(json.dumps(settings))

    def write_manifest(self, name: str, *rows: str) -> Path:
        """Writes a manifest whose rows are image, name, count and SUV factor, and returns its path."""
        path = self.scans / f"{name}.csv"
        path.write_text("\n".join(["image,name,count,suv_factor", *rows]) + "\n")
        return path

    def synthesize(self, output: Path, manifest: Path | None = None) -> list[str]:
        """Eight results, and two of a damaged scan that are left out: status 3. With another manifest, its results."""
        where = [str(manifest or self.manifest), "--output", str(output)]
        return [*TOOL, "synthesize", *where, "--workers", "1", *self._model()]

    def insert(self, output: Path, seed: int = 0) -> list[str]:
        """Image, mask, soft mask and picture of one tumor."""
        more = ["--output-probability", str(output / "soft.mha"), "--preview", str(output / "preview.png")]
        return [
            *TOOL, "insert", str(self.scans / "P2_image.nii.gz"), _BOX, "--suv-factor", "1", "--seed", str(seed),
            "--output-image", str(output / "image.nii.gz"), "--output-mask", str(output / "mask.nii.gz"),
            *more, *self._model(),
        ]  # fmt: skip

    def insert_seg(self, output: Path, seed: int = 0) -> list[str]:
        """Image, DICOM SEG and picture of one tumor in a DICOM series."""
        return [
            *TOOL, "insert", str(self.series), _SERIES_BOX, "--suv-factor", "1", "--seed", str(seed),
            "--output-image", str(output / "image.nii.gz"), "--output-mask", str(output / "mask.dcm"),
            "--preview", str(output / "preview.png"), *self._model(),
        ]  # fmt: skip

    def phantom(self, output: Path) -> list[str]:
        """A phantom and a box in it."""
        return [*TOOL, "phantom", str(output / "phantom.nii.gz"), "--roi", str(output / "box.mrk.json")]

    def train(self, output: Path) -> list[str]:
        """A first stage of few steps."""
        return self._train("autoencoder", output)

    def train_generator(self, output: Path) -> list[str]:
        """A second stage of few steps, after the output of ``train`` was copied to ``autoencoder``."""
        return [*self._train("generator", output), "--autoencoder", str(self.autoencoder), "--name", "made"]

    def _train(self, stage: str, output: Path) -> list[str]:
        files = ["--data", str(self.scans), "--output", str(output), "--config", str(self.folder / f"{stage}.json")]
        return [*TOOL, "train", stage, "--quiet", *files]

    def _model(self) -> list[str]:
        return ["--model", str(self.bundle), "--device", "cpu", "--steps", "2"]


def ended(command: list[str], before: Callable[[], object] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end.

    Args:
        command: the command line.
        before: called in the new process first, as ``preexec_fn``.
    """
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, preexec_fn=before)


def _write_series(folder: Path) -> None:
    """Writes 24 slices of 4 mm voxels in Bq/mL: body of about SUV 1."""
    folder.mkdir()
    rng, series = np.random.default_rng(5), generate_uid()
    uids = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()}
    for n in range(24):
        pixels = rng.integers(80, 120, size=(24, 24)).astype(np.int16)
        size = {"Rows": 24, "Columns": 24, "PixelSpacing": [4.0, 4.0], "PixelData": pixels.tobytes()}
        write_slice(folder / f"{n}.dcm", 4.0 * n, 0, 0.01, series, **size, **uids)
