"""The grid that the header of a file describes, checked before its voxels are read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid

__all__ = ["header_grid", "header_grid_of_steps"]

#: Limits of a voxel size and of a position, mm, far beyond those of scanners and microscopes.
_MIN_STEP_MM, _MAX_STEP_MM, _MAX_POSITION_MM = 1e-3, 1e3, 1e6


def header_grid(
    name: str, size_ijk: Sequence[int], spacing_mm: ArrayLike, origin_lps: ArrayLike, direction: ArrayLike
) -> Grid:
    """Returns the grid with the values of a header.

    Args:
        name: name of the file, for messages.
        size_ijk: voxels along i, j, k.
        spacing_mm: voxel size along i, j, k.
        origin_lps: position of the center of the first voxel, mm.
        direction: 3x3 matrix whose columns are the LPS unit directions of i, j, k.

    Raises:
        UnsupportedVolumeError: a value is not finite, or no voxel size, position or direction that can be.
    """
    spacing, origin = np.asarray(spacing_mm, np.float64), np.asarray(origin_lps, np.float64)
    matrix = np.asarray(direction, np.float64)
    if not np.all((spacing >= _MIN_STEP_MM) & (spacing <= _MAX_STEP_MM)):
        raise UnsupportedVolumeError(
            f"The voxel spacing {tuple(spacing.tolist())} mm of {name} must be positive, from {_MIN_STEP_MM} to "
            f"{_MAX_STEP_MM:.0f} mm. Correct the header."
        )
    if not np.all(np.abs(origin) <= _MAX_POSITION_MM):
        raise UnsupportedVolumeError(
            f"The origin {tuple(origin.tolist())} of {name} is no position in mm. Correct the header."
        )
    lengths = np.linalg.norm(matrix, axis=0)
    if not np.all(np.abs(lengths - 1) < 0.02) or abs(np.linalg.det(matrix)) < 1e-3:
        raise UnsupportedVolumeError(
            f"The directions {matrix.T.tolist()} of the axes of {name} must be three different unit vectors. Correct "
            "the header."
        )
    i, j, k = (int(n) for n in size_ijk)
    first, second, third = (_vector(row) for row in matrix)
    return Grid((i, j, k), _vector(spacing), _vector(origin), (first, second, third))


def header_grid_of_steps(name: str, size_ijk: Sequence[int], steps_lps: ArrayLike, origin_lps: ArrayLike) -> Grid:
    """Returns the grid whose axes step from voxel to voxel by the columns of the 3x3 matrix ``steps_lps``, mm.

    Raises:
        UnsupportedVolumeError: see ``header_grid``.
    """
    steps = np.asarray(steps_lps, np.float64)
    with np.errstate(all="ignore"):  # header_grid refuses values that are not finite
        spacing = np.linalg.norm(steps, axis=0)
        direction = np.where(spacing > 0, steps / spacing, 0.0)
    return header_grid(name, size_ijk, spacing, origin_lps, direction)


def _vector(values: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = values.tolist()
    return a, b, c
