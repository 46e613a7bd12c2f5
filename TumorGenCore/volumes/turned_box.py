"""A drawn turn of the box in which the networks work, so that flat faces of their tumors do not lie along the scan.

The latent cells are 10 mm wide, and tumors tend to have faces along them. If the cells lay along every box that a user
draws, the axes of the scan would give synthetic tumors away.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.site_cell import site_cell

__all__ = ["turned"]

#: How far an ellipsoid that touches all faces of the turned box may reach: 1.1 of the box's edge. So cubes turn freely,
#: and long boxes a little.
MOST_REACH = 1.1
#: The turn is made smaller by this factor until it fits.
_SMALLER = 0.9
#: Stream of the draw, so that it does not depend on other draws for the same place.
_STREAM = 5


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
    turn = np.deg2rad(most_degrees) * rng.uniform() * axis / np.linalg.norm(axis)
    size = np.asarray(box.size_mm)
    while _reach(turn, size) > MOST_REACH:
        turn = _SMALLER * turn
    (a, b, c), (d, e, f), (g, h, i) = (np.asarray(box.axes) @ Rotation.from_rotvec(turn).as_matrix()).tolist()
    return Box(box.center_lps, box.size_mm, ((a, b, c), (d, e, f), (g, h, i)))


def _reach(turn: np.ndarray, size_mm: np.ndarray) -> float:
    """Largest extent of the turned ellipsoid along the axes of the box, as a share of the box's edge."""
    along = Rotation.from_rotvec(turn).as_matrix() * size_mm
    return float((np.linalg.norm(along, axis=1) / size_mm).max())
