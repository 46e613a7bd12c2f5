"""Landmarks that lead from the coordinates of a label map to those of the project's own phantom, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.phantom.shapes import Points, Rows

__all__ = ["LANDMARKS", "Landmarks"]


@dataclass(frozen=True)
class Landmarks:
    """Heights of one body with their place in the phantom; between them all values change evenly.

    Args:
        rows: (n, 6), rising: z in the phantom (mm), z in the body (mm), x and y (mm) of the phantom's x = y = 0 in the
            body, and the body's width and depth relative to the phantom's. The second row is the pubic symphysis.
    """

    rows: Rows

    @property
    def table(self) -> NDArray[np.float64]:
        """The rows as an array, (n, 6)."""
        return np.asarray(self.rows, dtype=np.float64)

    @property
    def origin(self) -> NDArray[np.float64]:
        """x, y and z of the pubic symphysis's height on the body's axis, in the body's coordinates, mm."""
        row = self.table[1]
        return np.array([row[2], row[3], row[1]])

    def to_phantom(self, points: Points) -> Points:
        """Returns the phantom's coordinates, mm, of points x, y and z in the body's coordinates, mm, of one shape."""
        x, y, z = points
        table = self.table
        height = _height(z, table[:, 1], table[:, 0])
        middle_x, middle_y, width, depth = (_between(z, table[:, 1], table[:, n]) for n in range(2, 6))
        return (x - middle_x) / width, (y - middle_y) / depth, height

    def bounds(self, low: NDArray, high: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the corners (x, y, z) in the body of the space between two corners in the phantom, mm."""
        table = self.table
        heights = np.array([low[2], *np.clip(table[:, 0], low[2], high[2]), high[2]])
        z = _height(heights, table[:, 0], table[:, 1])
        middle_x, middle_y, width, depth = (_between(heights, table[:, 0], table[:, n]) for n in range(2, 6))
        corners = [
            np.stack([middle_x + width * corner[0], middle_y + depth * corner[1], z], axis=1) for corner in (low, high)
        ]
        return np.min(corners[0], axis=0), np.max(corners[1], axis=0)


def _height(z: NDArray, known: NDArray, result: NDArray) -> NDArray:
    """Heights between landmarks; beyond the last one, millimeters stay millimeters."""
    beyond = np.minimum(z - known[0], 0) + np.maximum(z - known[-1], 0)
    return (np.interp(z, known, result) + beyond).astype(np.asarray(z).dtype)


def _between(z: NDArray, known: NDArray, result: NDArray) -> NDArray:
    return np.interp(z, known, result).astype(np.asarray(z).dtype)


#: The bodies of the data folder, by file name. Heights: mid-thigh, symphysis, iliac crest, kidneys, domes of the
#: diaphragm, heart, apex of the lung, neck, vertex; between them what the body needs.
LANDMARKS: dict[str, Landmarks] = {
    "mesh50xcat_2mm": Landmarks(
        (
            (-176, 729, 314, 178, 1.0, 1.0), (0, 905, 314, 172, 0.95, 0.95), (158, 1060, 313, 143, 1.0, 1.05),
            (231, 1145, 313, 140, 1.0, 1.05), (300, 1230, 313, 155, 0.95, 1.0), (357, 1290, 313, 158, 0.95, 1.0),
            (453, 1378, 314, 155, 0.95, 0.95), (530, 1430, 314, 150, 0.95, 0.95), (590, 1472, 314, 147, 0.95, 1.0),
            (625, 1535, 312, 128, 1.0, 1.0), (693, 1612, 313, 122, 0.985, 1.0), (848, 1764, 313, 122, 0.985, 1.0),
        )
    ),
    "VH_F_labels_3mm": Landmarks(
        (
            (-176, 645, 486, 176, 1.2, 1.0), (0, 812, 484, 184, 1.15, 1.15), (158, 961, 486, 165, 1.15, 1.15),
            (231, 1041, 487, 160, 1.1, 1.15), (300, 1130, 487, 170, 1.08, 1.12), (357, 1190, 486, 185, 1.08, 0.95),
            (394, 1236, 486, 190, 1.08, 0.9), (470, 1299, 486, 188, 1.02, 0.92), (590, 1385, 486, 175, 0.95, 0.95),
            (625, 1452, 490, 168, 1.0, 1.08), (848, 1678, 490, 166, 0.97, 1.03),
        )
    ),
    "VH_M_labels_3mm": Landmarks(
        (
            (-176, 760, 531, 190, 1.25, 1.0), (0, 935, 533, 190, 1.1, 1.0), (158, 1101, 531, 142, 1.05, 1.0),
            (257, 1217, 531, 149, 1.05, 1.0), (394, 1377, 529, 152, 1.07, 1.05), (470, 1452, 526, 145, 1.05, 1.05),
            (590, 1550, 526, 137, 1.1, 1.1), (625, 1612, 525, 142, 1.03, 1.03), (848, 1838, 528, 145, 1.03, 1.03),
        )
    ),
}  # fmt: skip
