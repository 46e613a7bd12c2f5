"""Writes small shape libraries: balls, each a little larger than the last."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SPACING_MM = (4.0, 4.0, 3.0)


def write_balls(folder: Path, kind: str, patients: int) -> None:
    """Adds a set of balls with radii of 8 to 14 mm on voxels of 4 x 4 x 3 mm, one for each patient."""
    folder.mkdir(exist_ok=True)
    masks = [ball(8.0 + 6 * n / patients) for n in range(patients)]
    bits = np.concatenate([mask.ravel() for mask in masks])
    offsets = np.cumsum([0, *(mask.size for mask in masks)])
    shapes = np.array([mask.shape for mask in masks])
    np.savez(folder / f"{kind}.npz", bits=np.packbits(bits), voxels=bits.size, offsets=offsets, shapes_kji=shapes)
    rows = "".join(f"P{n},4.0,4.0,3.0\n" for n in range(patients))
    (folder / f"{kind}.csv").write_text("patient,spacing_i_mm,spacing_j_mm,spacing_k_mm\n" + rows)


def ball(radius_mm: float) -> np.ndarray:
    """The mask of a ball on these voxels, (k, j, i)."""
    half = int(radius_mm / min(SPACING_MM)) + 1
    k, j, i = np.indices((2 * half + 1,) * 3) - half
    return (k * SPACING_MM[2]) ** 2 + (j * SPACING_MM[1]) ** 2 + (i * SPACING_MM[0]) ** 2 <= radius_mm**2
