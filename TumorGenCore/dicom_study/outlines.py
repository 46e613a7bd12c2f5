"""Outlines of a mask in one slice: polygons whose inside is exactly the mask.

They run along the edges of the voxels, a little inside, so that readers agree about the mask: both those that fill
every voxel whose center lies in the polygon, and those that round its corners to voxels and fill these too (rt-utils).
A hole is joined to its outline by a keyhole (PS3.3 C.8.8.6.3): two lines on the same way, through the tumor.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["outlines"]

#: Distance of the outline from the edge of the voxels, in voxels.
_INSET = 1 / 64
#: Where a keyhole leaves the left edge of a hole, in voxels below the upper end of this edge. It meets neither the
#: centers of voxels nor the corners of other outlines.
_KEYHOLE = 0.25

_Point = tuple[float, float]
_Corner = tuple[int, int]


class _Edge(NamedTuple):
    """Edge of a voxel from a corner on, one step along x or y, with the mask on its right if y points down."""

    start: _Corner
    step: _Corner


class _Loop(NamedTuple):
    """A closed way along the edges of voxels.

    Args:
        points: corners, moved into the mask; (x, y) where voxel (i, j) reaches from i to i + 1 and from j to j + 1.
        piece: number of the piece of the mask that it bounds.
        is_hole: whether it bounds a hole of the piece.
    """

    points: list[_Point]
    piece: int
    is_hole: bool


def outlines(mask: NDArray) -> list[NDArray[np.float64]]:
    """Returns one polygon for each piece of a mask; voxels that touch at a corner only are two pieces.

    Args:
        mask: (row j, column i), not 0 in the mask.

    Returns:
        Arrays (n, 2) of fractional indices i, j; the centers of voxels have whole numbers.
    """
    pieces, count = ndimage.label(mask)
    loops = list(_loops(pieces))
    polygons = []
    for piece in range(1, count + 1):
        (outer,) = (loop.points for loop in loops if loop.piece == piece and not loop.is_hole)
        holes = [loop.points for loop in loops if loop.piece == piece and loop.is_hole]
        for hole in sorted(holes, key=min):  # from left to right, so that a keyhole ends at what is joined already
            outer = _joined(outer, hole)
        polygons.append(np.array(outer) - 0.5)
    return polygons


def _loops(pieces: NDArray) -> Iterator[_Loop]:
    """Follows the edges between mask and background, each of them once."""
    edges = dict.fromkeys(_edges(pieces > 0))
    left = edges.copy()
    while left:
        edge = next(iter(left))
        piece, points = _piece_right_of(pieces, edge), []
        while edge in left:
            del left[edge]
            following = _following(edge, edges)
            if following.step != edge.step:
                points.append(_inset(following.start, edge.step, following.step))
            edge = following
        yield _Loop(points, piece, _area(points) < 0)


def _edges(mask: NDArray) -> Iterator[_Edge]:
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    neighbors = {
        _Edge((0, 0), (1, 0)): padded[:-2, 1:-1],  # no mask above: along the upper edge of the voxel, to the right
        _Edge((1, 0), (0, 1)): padded[1:-1, 2:],
        _Edge((1, 1), (-1, 0)): padded[2:, 1:-1],
        _Edge((0, 1), (0, -1)): padded[1:-1, :-2],
    }
    for (corner, step), neighbor in neighbors.items():
        for j, i in np.argwhere(inside & ~neighbor).tolist():
            yield _Edge((i + corner[0], j + corner[1]), step)


def _following(edge: _Edge, edges: Container[_Edge]) -> _Edge:
    """Returns the next edge. Where four of them meet, the right turn stays at the same voxel."""
    (x, y), step = edge
    end, right = (x + step[0], y + step[1]), _right_of(step)
    turns = (right, step, (-right[0], -right[1]))
    return next(_Edge(end, turn) for turn in turns if _Edge(end, turn) in edges)


def _right_of(step: _Corner) -> _Corner:
    return -step[1], step[0]


def _piece_right_of(pieces: NDArray, edge: _Edge) -> int:
    right = _right_of(edge.step)
    x, y = (edge.start[n] + (edge.step[n] + right[n] - 1) // 2 for n in range(2))
    return int(pieces[y, x])


def _inset(corner: _Corner, before: _Corner, after: _Corner) -> _Point:
    one, other = _right_of(before), _right_of(after)
    return corner[0] + _INSET * (one[0] + other[0]), corner[1] + _INSET * (one[1] + other[1])


def _area(points: list[_Point]) -> float:
    x, y = np.array(points).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _joined(outer: list[_Point], hole: list[_Point]) -> list[_Point]:
    """Joins a hole to the outline left of it by a keyhole, a level line of two ways."""
    left = min(x for x, _ in hole)
    n = next(n for n in range(len(hole)) if hole[n][0] == left == hole[(n + 1) % len(hole)][0])
    here, there = hole[n], hole[(n + 1) % len(hole)]
    level = round(min(here[1], there[1])) + _KEYHOLE
    edges = (
        (outer[m][0], m)
        for m in range(len(outer))
        if outer[m][0] == outer[(m + 1) % len(outer)][0] < left
        and min(outer[m][1], outer[(m + 1) % len(outer)][1]) < level < max(outer[m][1], outer[(m + 1) % len(outer)][1])
    )
    x, m = max(edges)
    around = [(left, level), *hole[n + 1 :], *hole[: n + 1], (left, level)]
    return [*outer[: m + 1], (x, level), *around, (x, level), *outer[m + 1 :]]
