"""Masks of lesions without their scans: shapes and sizes of the field, split by patient into training and judging.

A library is a folder with pairs ``NAME.npz`` and ``NAME.csv``. The npz file holds the masks packed as bits: ``bits``,
``voxels`` (number of bits), ``offsets`` (n + 1) and ``shapes_kji`` (n, 3). The table has a row for each mask with
``patient``, and the voxel size in mm as ``spacing_mm`` or as ``spacing_i_mm``, ``spacing_j_mm``, ``spacing_k_mm``.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.lesions.avid_part import largest_piece
from TumorGenCore.lesions.extent import around
from TumorGenCore.volumes.geometry import Grid

__all__ = ["JUDGING_SHARE", "Part", "Shape", "judging_patients", "load_shapes"]

#: Share of the patients of each set whose shapes judge and never train.
JUDGING_SHARE = 0.25

#: Smoothing that removes the stairs of large voxels, standard deviation, and room for it around a mask, in voxels.
_STAIRS_VOXELS, _PAD = 0.7, 3

Part = Literal["training", "judging", "all"]


@dataclass(frozen=True)
class Shape:
    """One mask of a library.

    Args:
        kind: name of its set, for example ``fdg_lung_tumours``.
        patient: its patient.
        mask: (k, j, i), cut to the mask.
        spacing_mm: voxel edges along i, j, k.
    """

    kind: str
    patient: str
    mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    @cached_property
    def volume_ml(self) -> float:
        """Its volume."""
        return float(self.mask.sum() * np.prod(self.spacing_mm)) / 1000

    @property
    def longest_mm(self) -> float:
        """Longest edge of its bounding box along the axes of its voxels."""
        return float((np.asarray(self.mask.shape[::-1]) * self.spacing_mm).max())

    def on(self, grid: Grid) -> NDArray[np.float32]:
        """Returns the mask on a grid, 0 to 1, float32 (k, j, i), without the stairs of large voxels.

        Args:
            grid: the grid; the point (0, 0, 0) is the center of the first voxel of ``mask``.
        """
        soft = ndimage.gaussian_filter(np.pad(self.mask, _PAD).astype(np.float32), _STAIRS_VOXELS)
        size = (soft.shape[2], soft.shape[1], soft.shape[0])
        x, y, z = (-_PAD * edge for edge in self.spacing_mm)
        image = Grid(size, self.spacing_mm, (x, y, z)).image_from_array(soft)
        reference = grid.empty_image(sitk.sitkUInt8)
        return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear))

    @cached_property
    def points_lps(self) -> NDArray[np.float64]:
        """Its voxel centers in the space of ``on``, (n, 3), mm."""
        points: NDArray[np.float64] = np.argwhere(self.mask)[:, ::-1] * np.asarray(self.spacing_mm)
        return points


def load_shapes(folder: Path, part: Part, least_ml: float = 0.3) -> list[Shape]:
    """Reads the shapes of a library, in the order of the files and their rows.

    Args:
        folder: folder of the library.
        part: shapes of training patients, of judging patients, or all.
        least_ml: smaller shapes are left out.

    Raises:
        TrainingDataError: there is no library, or a file is damaged or does not fit its table.
    """
    tables = sorted(path for path in Path(folder).glob("*.csv") if path.with_suffix(".npz").is_file())
    if not tables:
        raise TrainingDataError(
            f"No shapes were found in {Path(folder).name}; a library has files NAME.npz and NAME.csv."
        )
    shapes = [shape for table in tables for shape in _read(table)]
    judging = judging_patients(shapes)
    wanted = {"training": (False,), "judging": (True,), "all": (False, True)}[part]
    return [shape for shape in shapes if (shape.patient in judging) in wanted and shape.volume_ml >= least_ml]


def judging_patients(shapes: list[Shape]) -> set[str]:
    """Returns the patients whose shapes judge: the first quarter of each set, ranked by a hash of their names.

    So an added patient moves at most one other patient to the other side.
    """
    chosen: set[str] = set()
    for kind in sorted({shape.kind for shape in shapes}):
        patients = {shape.patient for shape in shapes if shape.kind == kind}
        ranked = sorted(patients, key=lambda patient: hashlib.sha256(f"shapes/{patient}".encode()).hexdigest())
        chosen.update(ranked[: round(JUDGING_SHARE * len(ranked))])
    return chosen


def _read(table: Path) -> list[Shape]:
    name = table.stem
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with np.load(table.with_suffix(".npz")) as packed:
            bits = np.unpackbits(packed["bits"])[: int(packed["voxels"])].astype(bool)
            offsets, sizes = packed["offsets"], packed["shapes_kji"]
        if len(rows) != len(sizes):
            raise TrainingDataError(f"{name}.csv has {len(rows)} rows for {len(sizes)} masks; get both files again.")
        return [_shape(name, row, bits[offsets[n] : offsets[n + 1]].reshape(sizes[n])) for n, row in enumerate(rows)]
    except (OSError, ValueError, KeyError) as error:
        raise TrainingDataError(f"The shapes of {name} cannot be read: {error}. Get the files again.") from error


def _shape(kind: str, row: dict[str, str], mask: NDArray[np.bool_]) -> Shape:
    if "spacing_mm" in row:
        spacing = (float(row["spacing_mm"]),) * 3
    else:
        spacing = (float(row["spacing_i_mm"]), float(row["spacing_j_mm"]), float(row["spacing_k_mm"]))
    whole = largest_piece(mask)
    return Shape(kind, row["patient"], whole[around(whole)], spacing)
