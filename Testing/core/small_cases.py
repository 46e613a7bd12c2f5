"""Writes small training cases: a body of SUV 1 with one hot ball."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

SPACING_MM = 4.0
EDGE = 40


def write_case(folder: Path, name: str, center_mm: tuple[float, float, float] | None, seed: int = 0) -> None:
    """Writes a body cylinder in 40^3 voxels around the origin, and a ball of 24 mm at ``center_mm`` with its mask."""
    rng = np.random.default_rng(seed)
    along = (np.arange(EDGE) - (EDGE - 1) / 2) * SPACING_MM
    z, y, x = np.meshgrid(along, along, along, indexing="ij")
    suv = np.where(x**2 + y**2 < 65**2, 1.0, 0.0) * rng.uniform(0.9, 1.1, size=x.shape)
    mask = np.zeros(x.shape, dtype=np.uint8)
    if center_mm is not None:
        distance = np.sqrt((x - center_mm[0]) ** 2 + (y - center_mm[1]) ** 2 + (z - center_mm[2]) ** 2)
        mask[distance <= 12] = 1
        suv[mask > 0] += 7
    for array, kind in ((suv.astype(np.float32), "image"), (mask, "mask")):
        if kind == "mask" and center_mm is None:
            continue
        image = sitk.GetImageFromArray(array)
        image.SetSpacing([SPACING_MM] * 3)
        image.SetOrigin([along[0]] * 3)
        sitk.WriteImage(image, str(folder / f"{name}_{kind}.nii.gz"))


def write_organs(path: Path) -> Path:
    """Writes a label map of the body on a coarser grid: liver (5) on the right, lung (10) on the left; returns it."""
    along = (np.arange(20) - 9.5) * 8
    z, y, x = np.meshgrid(along, along, along, indexing="ij")
    organs = np.where((x**2 + y**2 < 60**2) & (abs(z) < 70), np.where(x < 0, 5, 10), 0)
    image = sitk.GetImageFromArray(organs.astype(np.uint8))
    image.SetSpacing([8.0] * 3)
    image.SetOrigin([along[0]] * 3)
    sitk.WriteImage(image, str(path))
    return path


def write_three_cases(folder: Path) -> Path:
    """Writes cases A, B and T, whose balls lie far apart, and returns ``folder``."""
    write_case(folder, "A", (-30.0, 10.0, 40.0), 1)
    write_case(folder, "B", (25.0, -20.0, -40.0), 2)
    write_case(folder, "T", (0.0, 0.0, 70.0), 3)
    return folder


def write_patients(folder: Path, names: Sequence[str], healthy: Sequence[str] = ()) -> Path:
    """Writes a case for each name, each with its ball elsewhere, or with none if it is healthy; returns ``folder``."""
    for n, name in enumerate(names):
        write_case(folder, name, None if name in healthy else (8.0 * n - 16, 10.0 - 4 * n, 6.0 * n - 15), seed=n)
    return folder
