"""Warnings about a box before a tumor is inserted there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["box_warnings"]

#: Threshold between air and tissue.
_AIR_SUV = 0.1
_THIN_MM = 15


def box_warnings(box: Box, grid: Grid, suv_inside: NDArray) -> tuple[str, ...]:
    """Returns warnings in plain words. The tumor can be inserted all the same.

    Args:
        box: the user's box.
        grid: grid of the volume.
        suv_inside: SUV at points spread evenly over the box, any shape.
    """
    warnings = []
    if suv_inside.size and np.mean(suv_inside > _AIR_SUV) < 0.5:
        warnings.append("Most of the box lies outside the body (SUV below 0.1); the tumor may look out of place.")
    corners = grid.lps_to_index(box.corners_lps)
    if np.any(corners < -0.5) or np.any(corners > np.asarray(grid.size_ijk) - 0.5):
        warnings.append("The box reaches past the volume; TumorGen cuts off the part outside.")
    if min(box.size_mm) < _THIN_MM:
        warnings.append(f"The box is {min(box.size_mm):.0f} mm thin, close to the resolution of a PET scanner.")
    return tuple(warnings)
