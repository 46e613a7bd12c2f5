"""A drawn turn and shift of the networks' grid, so that flat faces of their tumors do not lie along the scan.

The latent cells are 10 mm wide, and tumors tend to have faces along them. If the cells lay along every box that a user
draws, the axes of the scan would give synthetic tumors away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.site_cell import site_cell

__all__ = ["drawn_shift", "turned"]

#: How far an ellipsoid that touches all faces of the turned box may reach: 1.1 of the box's edge. So cubes turn freely,
#: and long boxes a little.
MOST_REACH = 1.1
#: The turn is made smaller by this factor until it fits.
_SMALLER = 0.9
#: Streams of the draws, so that they do not depend on other draws for the same place.
_STREAM, _SHIFT_STREAM = 5, 6


def turned(box: Box, most_degrees: float) -> Box:
    """Returns the box turned around its center, about a random axis and by a random angle.

    The place decides both, so a box gets the same turn every time, also if a user moves it by a millimeter.

    Args:
        box: the box, in its canonical form.
        most_degrees: largest angle; 0 turns nothing.
    """
    if most_degrees == 0:
        return box
    rng = np.random.default_rng([*site_cell(box.center_lps), _STREAM])
    axis = rng.normal(size=3)
    axis, angle = axis / np.linalg.norm(axis), np.deg2rad(most_degrees) * rng.uniform()
    size = np.asarray(box.size_mm)
    while _reach(_rotation(axis, angle), size) > MOST_REACH:
        angle *= _SMALLER
    (a, b, c), (d, e, f), (g, h, i) = (np.asarray(box.axes) @ _rotation(axis, angle)).tolist()
    return Box(box.center_lps, box.size_mm, ((a, b, c), (d, e, f), (g, h, i)))


def drawn_shift(box: Box, most_mm: float) -> tuple[float, float, float]:
    """Draws how far the middle of the grid lies from that of the box, mm along each axis.

    The place decides it, as it does for ``turned``.

    Args:
        box: the box.
        most_mm: largest shift along each axis; 0 shifts nothing.
    """
    if most_mm == 0:
        return (0.0, 0.0, 0.0)
    x, y, z = np.random.default_rng([*site_cell(box.center_lps), _SHIFT_STREAM]).uniform(-most_mm, most_mm, 3)
    return (float(x), float(y), float(z))


def _rotation(axis: NDArray, angle: float) -> NDArray[np.float64]:
    """Matrix (3, 3) of a rotation about a unit vector, radians; Rodrigues' formula.

    SciPy has it too, but Slicer checks a box before the packages are installed.
    """
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return matrix


def _reach(rotation: NDArray, size_mm: NDArray) -> float:
    """Largest extent of the turned ellipsoid along the axes of the box, as a share of the box's edge."""
    return float((np.linalg.norm(rotation * size_mm, axis=1) / size_mm).max())
