"""Implicit shapes: solids as signed distances in mm, and operations that join, cut and hollow them.

Points are three arrays x, y and z (LPS mm) that broadcast to one shape, on a canvas with the axes (k, j, i).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = [
    "Array",
    "Points",
    "Rows",
    "Shape",
    "Values",
    "both",
    "ellipsoid",
    "rotation",
    "smooth_minimum",
    "stack",
    "tube",
]

Array = NDArray[np.floating]
#: Numbers of one point or one axis, such as x, y, z.
Values = Sequence[float] | NDArray
#: Several points or rows, (n, columns).
Rows = Sequence[Values] | NDArray
#: x, y and z, LPS mm, each (k, j, i).
Points = tuple[Array, Array, Array]


@dataclass(frozen=True)
class Shape:
    """A solid.

    Args:
        distance: function that returns each point's signed distance to the surface, mm; first-order, negative inside.
        low: lower corner (x, y, z) of a box that contains the solid, LPS mm.
        high: upper corner of the box.
    """

    distance: Callable[[Points], Array]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def join(self, other: Shape, blend_mm: float = 8.0) -> Shape:
        """Smooth union with ``other``; the seam is rounded over ``blend_mm``."""
        return Shape(
            lambda p: smooth_minimum(self.distance(p), other.distance(p), blend_mm),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def minus(self, other: Shape, blend_mm: float = 6.0) -> Shape:
        """This shape without ``other``; the edge is rounded over ``blend_mm``."""
        return Shape(lambda p: -smooth_minimum(-self.distance(p), other.distance(p), blend_mm), self.low, self.high)

    def within(self, other: Shape, margin_mm: float = 0.0, blend_mm: float = 4.0) -> Shape:
        """Part that lies at least ``margin_mm`` deep inside ``other``; the edge is rounded over ``blend_mm``."""
        return Shape(
            lambda p: -smooth_minimum(-self.distance(p), -other.distance(p) - margin_mm, blend_mm),
            self.low,
            self.high,
        )

    def cut(self, normal: Sequence[float], offset_mm: float, blend_mm: float = 6.0) -> Shape:
        """Part on the near side of a plane, n . p < ``offset_mm``.

        Args:
            normal: n (x, y, z), LPS, of any length.
            offset_mm: distance of the plane from the origin along n.
            blend_mm: width over which the edge is rounded.
        """
        a, b, c = np.asarray(normal, dtype=np.float64) / np.linalg.norm(normal)

        def distance(p: Points) -> Array:
            return -smooth_minimum(-self.distance(p), offset_mm - (a * p[0] + b * p[1] + c * p[2]), blend_mm)

        return Shape(distance, self.low, self.high)

    def grow(self, margin_mm: float) -> Shape:
        """This shape with its surface moved outward by ``margin_mm``; a negative margin moves it inward."""
        return Shape(lambda p: self.distance(p) - margin_mm, self.low - margin_mm, self.high + margin_mm)

    def shell(self, thickness_mm: float) -> Shape:
        """Layer of ``thickness_mm`` around the surface, half on each side."""
        half = thickness_mm / 2
        return Shape(lambda p: np.abs(self.distance(p)) - half, self.low - half, self.high + half)


def smooth_minimum(a: Array, b: Array, blend_mm: float) -> Array:
    """Polynomial smooth minimum of two distances (mm, same shape): min(a, b), except where |a - b| < ``blend_mm``."""
    overlap = np.maximum(blend_mm - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap * overlap * (0.25 / blend_mm)


def rotation(tilt_deg: Values) -> NDArray[np.float64]:
    """3x3 matrix that rotates about x, then y, then z by the three angles of ``tilt_deg``, degrees."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.radians(tilt_deg)):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[u, u] = turn[v, v] = np.cos(angle)
        turn[u, v], turn[v, u] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def ellipsoid(center: Values, radii: Values, tilt_deg: Values = (0, 0, 0)) -> Shape:
    """Makes a solid ellipsoid.

    Args:
        center: x, y, z, LPS mm.
        radii: semi-axes along its own x, y, z, mm.
        tilt_deg: rotation, see ``rotation``.
    """
    middle, semi = np.asarray(center, dtype=np.float64), np.asarray(radii, dtype=np.float64)
    axes = rotation(tilt_deg)
    reach = np.sqrt((axes**2) @ semi**2)
    weights = (axes / semi).T.astype(np.float32)

    def distance(p: Points) -> Array:
        x, y, z = (p[n] - np.float32(middle[n]) for n in range(3))
        inner = steep = np.float32(1e-6)
        for row, radius in zip(weights, semi, strict=True):
            square = (row[0] * x + row[1] * y + row[2] * z) ** 2
            inner, steep = inner + square, steep + square / np.float32(radius**2)
        inner = np.sqrt(inner)
        return inner * (inner - 1) / np.sqrt(steep)  # f / |grad f|

    return Shape(distance, middle - reach, middle + reach)


def tube(points: Rows, radii: Values | float) -> Shape:
    """Makes a chain of round cones.

    Args:
        points: points along its axis, (n, 3), LPS mm.
        radii: one for each point, or one for all, mm.
    """
    path = np.asarray(points, dtype=np.float64)
    widths = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(path),))

    def distance(p: Points) -> Array:
        nearest = None
        for a, b, ra, rb in zip(path[:-1], path[1:], widths[:-1], widths[1:], strict=True):
            piece = _cone_distance(p, a, b - a, ra, rb - ra)
            nearest = piece if nearest is None else smooth_minimum(nearest, piece, min(ra, rb) / 2)
        return np.asarray(nearest)

    reach = widths.max()
    return Shape(distance, path.min(axis=0) - reach, path.max(axis=0) + reach)


def _cone_distance(p: Points, start: NDArray, step: NDArray, radius: float, growth: float) -> Array:
    x, y, z = (p[n] - np.float32(start[n]) for n in range(3))
    a, b, c = (np.float32(v) for v in step)
    along = np.clip((a * x + b * y + c * z) / np.float32(step @ step), 0.0, 1.0)
    square = (x - along * a) ** 2 + (y - along * b) ** 2 + (z - along * c) ** 2
    return np.sqrt(square) - (np.float32(radius) + along * np.float32(growth))


def stack(rows: Rows, power: float = 2.4) -> Shape:
    """Makes a body with superelliptic cross-sections along z, centered on x = 0.

    Args:
        rows: (n, 4), mm: z, half-width, half-depth and y of the center for each section; z increases.
        power: exponent of the superellipse; 2 is an ellipse, more is squarer.
    """
    table = np.asarray(rows, dtype=np.float64)
    heights = np.arange(table[0, 0], table[-1, 0] + 1.0, 4.0)
    # Smoothed, because the rows would leave kinks on the skin.
    profile = [ndimage.gaussian_filter1d(np.interp(heights, table[:, 0], column), 4.0) for column in table.T[1:]]

    def distance(p: Points) -> Array:
        # The warp changes z slowly, so the z of one column is good enough for its slice.
        z = p[2][:, :1, :1]
        width, depth, middle = (np.interp(z, heights, values).astype(np.float32) for values in profile)
        u, v = np.abs(p[0]) / width, np.abs(p[1] - middle) / depth
        ratio = np.power(np.power(u, power) + np.power(v, power), np.float32(1 / power))
        side = (ratio - 1) * np.minimum(width, depth)
        end = np.maximum(heights[0] - p[2], p[2] - heights[-1]).astype(np.float32)
        return -smooth_minimum(-side, -end, 40.0)

    width, depth, middle = table[:, 1].max(), table[:, 2].max(), table[:, 3]
    low = np.array([-width, middle.min() - depth, heights[0]])
    return Shape(distance, low, np.array([width, middle.max() + depth, heights[-1]]))


def both(points: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns points (n, 3) of the left side (x > 0), LPS mm, and their mirror images on the right side."""
    left = np.asarray(points, dtype=np.float64)
    return left, left * [-1.0, 1.0, 1.0]
