"""The canvas on which the phantom's tissue is painted, shape over shape, with antialiased edges."""

from __future__ import annotations

from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.phantom.noise_fields import BODY_BOUNDS_MM, smooth_noise
from TumorGenCore.phantom.person import MEAN_SUV, Individual
from TumorGenCore.phantom.shapes import Array, Points, Shape
from TumorGenCore.volumes.geometry import Grid

__all__ = ["TISSUES", "Canvas", "Coat"]

#: The tissues that a canvas notes, in the order of their numbers: number 1 is the first.
TISSUES = tuple(MEAN_SUV)


class Coat(TypedDict, total=False):
    """How tissue is painted; ``Canvas.cover`` says what each entry is, and its value if it is missing."""

    rough_mm: float
    texture: float
    opacity: float
    soft_mm: float
    folded_mm: float


class Canvas:
    """SUV of the unfinished body, and the warped coordinates for its shapes.

    All arrays have the axes (k, j, i) and cover the part of the grid that the body can reach.

    Args:
        grid: grid of the whole image.
        person: the person with this body.
        rng: source of warp, roughness and texture.

    Attributes:
        region: slices (k, j, i) of the grid that the canvas covers.
        axes: positions of the voxel centers along x, y and z, LPS mm; three arrays (i,), (j,), (k,).
        edge_mm: mean voxel edge, over which edges are antialiased.
        points: warped x, y and z of the voxel centers, mm.
        rough: surface roughness, unit variance. All organs share it, so that neighbors still fit each other.
        texture: finer noise of the uptake, unit variance.
        suv: SUV that is painted so far.
        depth_mm: depth below the skin, 0 outside the body.
        heights: heights of the slices in the coordinates of the shapes, mm, (k,).
        organs: number of the tissue that was painted last (1: the first of ``TISSUES``); 0 has no name. uint8.
    """

    def __init__(self, grid: Grid, person: Individual, rng: np.random.Generator) -> None:
        spacing = np.asarray(grid.spacing_mm)
        low, high = self._bounds()
        start = np.clip(np.floor(grid.lps_to_index(low)) + 1, 0, None).astype(int)
        stop = np.minimum(np.floor(grid.lps_to_index(high)).astype(int) + 1, grid.size_ijk)
        self.region = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
        self.axes = [grid.origin_lps[n] + spacing[n] * np.arange(start[n], stop[n]) for n in range(3)]
        self.person = person
        self.edge_mm = float(spacing.mean())

        self.points = self._place(rng)
        self.heights = self._heights()
        self.rough = smooth_noise(rng, self.axes, 26.0)
        self.texture = smooth_noise(rng, self.axes, 9.0)
        self.suv = np.zeros(self.rough.shape, dtype=np.float32)
        self.depth_mm = np.zeros_like(self.suv)
        self.organs = np.zeros(self.suv.shape, dtype=np.uint8)

    def _bounds(self) -> NDArray:
        return BODY_BOUNDS_MM

    def _heights(self) -> NDArray:
        return self.axes[2]

    def _place(self, rng: np.random.Generator) -> Points:
        scale = (self.person.girth, self.person.depth, self.person.height)
        x, y, z = (self._warped(rng, n, scale[n]) for n in range(3))
        return x, y, z

    def _extent(self, shape: Shape, margin_mm: float) -> tuple[NDArray, NDArray]:
        """Lower and upper corner of the space that can hold a shape, LPS mm."""
        scale = np.array([self.person.girth, self.person.depth, self.person.height])
        return shape.low * scale - margin_mm, shape.high * scale + margin_mm

    def _warped(self, rng: np.random.Generator, axis: int, scale: float) -> Array:
        shape = [1, 1, 1]
        shape[2 - axis] = -1
        straight = (self.axes[axis] / scale).astype(np.float32).reshape(shape)
        return straight + 2.6 * smooth_noise(rng, self.axes, 75.0)

    def window(self, shape: Shape, margin_mm: float = 14.0) -> tuple[slice, ...]:
        """The part of the canvas that can hold a shape, as slices (k, j, i).

        Args:
            shape: the shape.
            margin_mm: space for warp, roughness and the soft edge.
        """
        return self.window_between(*self._extent(shape, margin_mm))

    def window_between(self, low: NDArray, high: NDArray) -> tuple[slice, ...]:
        """The part of the canvas between two corners (x, y, z), LPS mm, as slices (k, j, i)."""
        ends = [np.searchsorted(self.axes[n], [low[n], high[n]]) for n in (2, 1, 0)]
        return tuple(slice(int(a), int(b)) for a, b in ends)

    def points_in(self, window: tuple[slice, ...]) -> Points:
        """Warped x, y and z (mm) of the voxels in ``window``, each (k, j, i)."""
        x, y, z = self.points
        return x[window], y[window], z[window]

    def paint(self, shape: Shape, suv: str | float, **coat: Unpack[Coat]) -> None:
        """Paints tissue over the tissue that is already there.

        Args:
            shape: shape of the tissue.
            suv: name of a tissue in ``MEAN_SUV``, or a value.
            coat: see ``cover``.
        """
        window = self.window(shape)
        points = self.points_in(window)
        if points[0].size == 0:
            return
        self.cover(window, shape.distance(points), suv, **coat)

    def cover(
        self,
        window: tuple[slice, ...],
        distance: Array,
        suv: str | float | Array,
        rough_mm: float = 1.5,
        texture: float = 0.06,
        opacity: float = 1.0,
        soft_mm: float = 0.0,
        folded_mm: float = 0.0,
    ) -> None:
        """Paints tissue where a signed distance is negative.

        Args:
            window: part of the canvas, slices (k, j, i).
            distance: signed distance to the tissue's surface in the window, mm.
            suv: name of a tissue in ``MEAN_SUV``, a value, or a value for each voxel of the window.
            rough_mm: standard deviation of the surface's roughness.
            texture: relative standard deviation of the uptake inside.
            opacity: 1 covers the tissue below, less lets it shine through.
            soft_mm: width of a gradual edge, in addition to the one voxel of antialiasing.
            folded_mm: depth of sulci that reach in from the surface.
        """
        distance = distance + np.float32(rough_mm) * self.rough[window]
        if folded_mm:
            distance += np.float32(folded_mm) * np.maximum(1 - 1.8 * np.abs(self.texture[window]), 0)
        cover = np.clip(0.5 - distance / (self.edge_mm + soft_mm), 0.0, 1.0) * np.float32(opacity)
        value = np.asarray(self.person.suv[suv] if isinstance(suv, str) else suv, dtype=np.float32)
        uptake = value * (1 + np.float32(texture) * self.texture[window])
        self.suv[window] += cover * (np.maximum(uptake, 0) - self.suv[window])
        self.mark(window, cover > 0.5, suv if isinstance(suv, str) else None)

    def mark(self, window: tuple[slice, ...], inside: NDArray, tissue: str | None) -> None:
        """Notes a tissue in ``organs``.

        Args:
            window: part of the canvas, slices (k, j, i).
            inside: where the tissue is, bool, of the window's shape.
            tissue: name of a tissue in ``MEAN_SUV``; None is a tissue without a name.
        """
        self.organs[window][inside] = 0 if tissue is None else TISSUES.index(tissue) + 1
