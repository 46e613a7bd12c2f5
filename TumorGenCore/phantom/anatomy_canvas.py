"""The canvas of a body that is made from a label map: the labels' organs, and the phantom's shapes at its places."""

from __future__ import annotations

from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.phantom.anatomy import Anatomy, Solid
from TumorGenCore.phantom.canvas import Canvas, Coat
from TumorGenCore.phantom.noise_fields import smooth_noise
from TumorGenCore.phantom.person import Individual
from TumorGenCore.phantom.shapes import Array, Points, Shape
from TumorGenCore.volumes.geometry import Grid

__all__ = ["AnatomyCanvas"]

#: The pose: standard deviation (mm) of a warp, and the distance of its knots.
_POSE_MM, _POSE_KNOTS_MM = 4.0, 170.0
#: How far warp and roughness can move an edge, mm.
_REACH_MM = 18.0
#: No arm lies closer to the midline, mm.
_INNER_MM = 75.0
#: Gap that is left between arms and trunk, mm.
_ARM_GAP_MM = 14.0


class AnatomyCanvas(Canvas):
    """A canvas whose shapes lie where a label map's landmarks say.

    Args:
        grid: grid of the whole image; its LPS origin lies at the height of the body's symphysis, on its axis.
        person: the person; girth, depth and height scale the body of the label map.
        rng: source of warp, roughness and texture.
        anatomy: the label map.
        bounds_lps: lower and upper corner (x, y, z) of the space that the body can reach, LPS mm.

    Attributes:
        places: x, y and z of the voxel centers in the label map's coordinates, mm.
    """

    def __init__(
        self, grid: Grid, person: Individual, rng: np.random.Generator, anatomy: Anatomy, bounds_lps: NDArray
    ) -> None:
        self.anatomy = anatomy
        self.bounds_lps = bounds_lps
        self._scale = np.array([person.girth, person.depth, person.height])
        super().__init__(grid, person, rng)

    def cover_solid(self, solid: Solid, suv: str | float, grow_mm: float = 0.0, **coat: Unpack[Coat]) -> None:
        """Paints an organ of the label map; ``grow_mm`` moves its surface out, for ``coat`` see ``cover``.

        If no ``rough_mm`` is given, it is 1 mm.
        """
        window = self.solid_window(solid)
        distance = solid.at(self.places_in(window)) - np.float32(grow_mm)
        coat.setdefault("rough_mm", 1.0)
        self.cover(window, distance, suv, **coat)

    def solid_window(self, solid: Solid) -> tuple[slice, ...]:
        """The part of the canvas that can hold an organ of the label map, as slices (k, j, i)."""
        low, high = ((bound - self.anatomy.landmarks.origin) * self._scale for bound in solid.bounds)
        return self.window_between(low - _REACH_MM / 2, high + _REACH_MM / 2)

    def places_in(self, window: tuple[slice, ...]) -> Points:
        """x, y and z (label map's coordinates, mm) of the voxels in ``window``, each (k, j, i)."""
        x, y, z = self.places
        return x[window], y[window], z[window]

    def phantom_point(self, place: NDArray) -> NDArray[np.float64]:
        """Returns the phantom's coordinates (x, y, z), mm, of a place (x, y, z) in the label map's coordinates, mm."""
        x, y, z = self.anatomy.landmarks.to_phantom((place[:1], place[1:2], place[2:3]))
        return np.array([x[0], y[0], z[0]])

    def _bounds(self) -> NDArray:
        return self.bounds_lps

    def _heights(self) -> NDArray:
        z = self.axes[2] / self._scale[2] + self.anatomy.landmarks.origin[2]
        return self.anatomy.landmarks.to_phantom((z, z, z))[2]

    def _extent(self, shape: Shape, margin_mm: float) -> tuple[NDArray, NDArray]:
        landmarks = self.anatomy.landmarks
        low, high = ((corner - landmarks.origin) * self._scale for corner in landmarks.bounds(shape.low, shape.high))
        return low - margin_mm - _REACH_MM, high + margin_mm + _REACH_MM

    def _place(self, rng: np.random.Generator) -> Points:
        origin = self.anatomy.landmarks.origin
        x, y, z = (
            self._warped(rng, n, self._scale[n])
            + np.float32(_POSE_MM) * smooth_noise(rng, self.axes, _POSE_KNOTS_MM)
            + np.float32(origin[n])
            for n in range(3)
        )
        points = self.anatomy.landmarks.to_phantom((x, y, z))
        self.places: Points = (self._arms_out(x, z), y, z)
        return points

    def _arms_out(self, x: Array, z: Array) -> Array:
        """Moves x outward over the gap between trunk and arm, which brings the arms to the trunk."""
        heights, edges, gaps = _arm_gaps(self.anatomy)
        moved = x.copy()
        middle = np.float32(self.anatomy.landmarks.origin[0])
        for side, edge, gap in zip((-1, 1), edges, gaps, strict=True):
            beyond = side * (x - middle) - np.interp(z, heights, edge).astype(np.float32)
            ramp = np.clip((beyond - _ARM_GAP_MM / 2) / 4, 0, 1)
            moved += np.float32(side) * ramp * np.interp(z, heights, gap).astype(np.float32)
        return moved


def _arm_gaps(anatomy: Anatomy) -> tuple[NDArray, list[NDArray], list[NDArray]]:
    """Heights (mm), and for the right and left side the trunk's half-width and the gap to close, mm."""
    shadow = np.asarray(anatomy.labels.any(axis=1))
    middle = round(anatomy.landmarks.origin[0] / anatomy.spacing_mm)
    inner = round(_INNER_MM / anatomy.spacing_mm)
    shadow[:, middle - inner : middle + inner] = True  # so that a leg is no arm
    sides = []
    for half in (shadow[:, middle::-1], shadow[:, middle:]):
        # The first column that ends a run of body is the trunk's edge; the next that starts one is the arm.
        steps = np.diff(np.pad(half, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        edge = (steps < 0).argmax(axis=1)
        later = (steps > 0) & (np.arange(steps.shape[1]) > edge[:, None])
        arm = np.where(later.any(axis=1), later.argmax(axis=1), edge)
        sides.append((anatomy.spacing_mm * edge, np.maximum(anatomy.spacing_mm * (arm - edge) - _ARM_GAP_MM, 0.0)))
    return anatomy.spacing_mm * np.arange(len(shadow)), [side[0] for side in sides], [side[1] for side in sides]
