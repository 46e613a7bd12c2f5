"""The canvas on which the phantom's tissue is painted, shape over shape, with antialiased edges."""

from __future__ import annotations

import numpy as np

from TumorGenCore.phantom.noise_fields import BODY_BOUNDS_MM, smooth_noise
from TumorGenCore.phantom.person import Individual
from TumorGenCore.phantom.shapes import Array, Points, Shape
from TumorGenCore.volumes.geometry import Grid

__all__ = ["Canvas"]


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
    """

    def __init__(self, grid: Grid, person: Individual, rng: np.random.Generator) -> None:
        spacing = np.asarray(grid.spacing_mm)
        start = np.clip(np.floor(grid.lps_to_index(BODY_BOUNDS_MM[0])) + 1, 0, None).astype(int)
        stop = np.minimum(np.floor(grid.lps_to_index(BODY_BOUNDS_MM[1])).astype(int) + 1, grid.size_ijk)
        self.region = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
        self.axes = [grid.origin_lps[n] + spacing[n] * np.arange(start[n], stop[n]) for n in range(3)]
        self.person = person
        self.edge_mm = float(spacing.mean())

        scale = (person.girth, person.depth, person.height)
        x, y, z = (self._warped(rng, n, scale[n]) for n in range(3))
        self.points: Points = (x, y, z)
        self.rough = smooth_noise(rng, self.axes, 26.0)
        self.texture = smooth_noise(rng, self.axes, 9.0)
        self.suv = np.zeros(self.rough.shape, dtype=np.float32)
        self.depth_mm = np.zeros_like(self.suv)

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
        scale = (self.person.girth, self.person.depth, self.person.height)
        slices = []
        for n in (2, 1, 0):
            low, high = (bound[n] * scale[n] for bound in (shape.low, shape.high))
            ends = np.searchsorted(self.axes[n], [low - margin_mm, high + margin_mm])
            slices.append(slice(int(ends[0]), int(ends[1])))
        return tuple(slices)

    def points_in(self, window: tuple[slice, ...]) -> Points:
        """Warped x, y and z (mm) of the voxels in ``window``, each (k, j, i)."""
        x, y, z = self.points
        return x[window], y[window], z[window]

    def paint(
        self,
        shape: Shape,
        suv: str | float,
        rough_mm: float = 1.5,
        texture: float = 0.06,
        opacity: float = 1.0,
        soft_mm: float = 0.0,
        folded_mm: float = 0.0,
    ) -> None:
        """Paints tissue over the tissue that is already there.

        Args:
            shape: shape of the tissue.
            suv: name of a tissue in ``MEAN_SUV``, or a value.
            rough_mm: standard deviation of the surface's roughness.
            texture: relative standard deviation of the uptake inside.
            opacity: 1 covers the tissue below, less lets it shine through.
            soft_mm: width of a gradual edge, in addition to the one voxel of antialiasing.
            folded_mm: depth of sulci that reach in from the surface.
        """
        window = self.window(shape)
        points = self.points_in(window)
        if points[0].size == 0:
            return
        distance = shape.distance(points) + np.float32(rough_mm) * self.rough[window]
        if folded_mm:
            distance += np.float32(folded_mm) * np.maximum(1 - 1.8 * np.abs(self.texture[window]), 0)
        cover = np.clip(0.5 - distance / (self.edge_mm + soft_mm), 0.0, 1.0) * np.float32(opacity)
        value = self.person.suv[suv] if isinstance(suv, str) else suv
        uptake = np.float32(value) * (1 + np.float32(texture) * self.texture[window])
        self.suv[window] += cover * (np.maximum(uptake, 0) - self.suv[window])
