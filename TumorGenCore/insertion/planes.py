"""Planes along the patient's axes through a tumor, with the pictures and the outlines of boxes in them.

Planes lie along LPS, for any axes of the volume, in radiological display: axial and coronal planes show the patient's
right on the left, sagittal planes show anterior on the left. Only the neighborhood of the box is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["PLANE_NAMES", "Plane", "PlaneName", "box_section", "focus_of"]

PlaneName = Literal["axial", "coronal", "sagittal"]
PLANE_NAMES: tuple[PlaneName, ...] = get_args(PlaneName)

#: For each plane: the LPS axes that point right and down, with their signs, and the letters left, right, top, bottom.
_DISPLAY: dict[PlaneName, tuple[tuple[int, int], tuple[int, int], str]] = {
    "axial": ((0, 1), (1, 1), "RLAP"),
    "coronal": ((0, 1), (2, -1), "RLSI"),
    "sagittal": ((1, 1), (2, -1), "APSI"),
}


@dataclass(frozen=True)
class Plane:
    """A plane along two patient axes.

    Args:
        name: name of the plane.
        low: lower corner (x, y, z) of the picture, LPS mm.
        high: upper corner of the picture; equal to ``low`` along the plane's normal.
    """

    name: PlaneName
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def through(cls, focus: NDArray, name: PlaneName, box: Box, image: sitk.Image, margin_mm: float) -> Plane:
        """Returns a plane through a point. It shows the box and a margin around it, as far as the image reaches.

        Args:
            focus: the point (x, y, z), LPS mm.
            name: name of the plane.
            box: shown as a whole, even if it sticks out of the image.
            image: 3D, any geometry.
            margin_mm: width of the surroundings shown on each side of the box.
        """
        volume = Grid.from_image(image).corners_lps
        low, high = box.corners_lps.min(axis=0), box.corners_lps.max(axis=0)
        low = np.minimum(low, np.maximum(low - margin_mm, volume.min(axis=0)))
        high = np.maximum(high, np.minimum(high + margin_mm, volume.max(axis=0)))
        (right, _), (down, _), _ = _DISPLAY[name]
        normal = 3 - right - down
        low[normal] = high[normal] = focus[normal]
        return cls(name, low, high)

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Width and height of the picture, mm."""
        (right, _), (down, _), _ = _DISPLAY[self.name]
        extent = self.high - self.low
        return float(extent[right]), float(extent[down])

    def sample(self, image: sitk.Image) -> NDArray[np.float32]:
        """Samples the image on this plane, about 1 mm apart.

        Args:
            image: 3D, any geometry.

        Returns:
            float32 (rows downward, columns rightward); 0 outside the image.
        """
        (right, right_sign), (down, down_sign), _ = _DISPLAY[self.name]
        columns = np.eye(3)[[right, down]] * [[right_sign], [down_sign]]
        direction = np.stack([*columns, np.cross(*columns)], axis=1)
        size = [max(2, round(extent)) for extent in self.extent_mm]
        spacing = [extent / n for extent, n in zip(self.extent_mm, size, strict=True)]
        # First the top left corner of the picture, then the center of its first pixel.
        corner = np.where(columns.sum(axis=0) < 0, self.high, self.low)
        origin = corner + columns.T @ (np.asarray(spacing) / 2)
        plane = sitk.Resample(
            image,
            [*size, 1],
            sitk.Transform(3, sitk.sitkIdentity),
            sitk.sitkLinear,
            origin.tolist(),
            [*spacing, 1.0],
            direction.ravel().tolist(),
            0.0,
            sitk.sitkFloat32,
        )
        return sitk.GetArrayFromImage(plane)[0]

    @property
    def limits_mm(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the picture on the patient's axes, LPS mm."""
        (right, _), (down, down_sign), _ = _DISPLAY[self.name]
        top, bottom = (self.low[down], self.high[down])[::down_sign]
        return float(self.low[right]), float(self.high[right]), float(bottom), float(top)

    @property
    def letters(self) -> str:
        """Four letters for the sides of the patient on the left, right, top and bottom."""
        return _DISPLAY[self.name][2]

    def outline(self, box: Box) -> NDArray[np.float64]:
        """Corners of the polygon in which this plane cuts a box, (n, 2), in the picture's LPS mm; n may be 0."""
        (right, _), (down, _), _ = _DISPLAY[self.name]
        normal = 3 - right - down
        return box_section(box, normal, float(self.low[normal]))[:, [right, down]]


def focus_of(mask: sitk.Image, box: Box) -> NDArray[np.float64]:
    """Returns the point for the planes: the centroid of the mask inside the box, LPS mm.

    Args:
        mask: 3D, above 0 inside the tumor.
        box: only voxels around this box count.

    Returns:
        (x, y, z), (3,); the center of the box if no voxel of the mask lies near it.
    """
    grid = Grid.from_image(mask)
    start, stop = box.index_bounds(grid)
    if np.any(stop <= start):
        return np.asarray(box.center_lps)
    region = tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask)[region] > 0)
    if len(inside) == 0:
        return np.asarray(box.center_lps)
    return grid.index_to_lps(inside.mean(axis=0)[::-1] + start)


def box_section(box: Box, normal: int, position: float) -> NDArray[np.float64]:
    """Returns the convex polygon in which a plane normal to an LPS axis cuts a box.

    Args:
        box: the box, possibly rotated.
        normal: LPS axis normal to the plane, 0 to 2.
        position: position of the plane on that axis, mm.

    Returns:
        Its corners in order around it, (n, 3), LPS mm; (0, 3) if the plane misses the box.
    """
    corners = box.corners_lps
    side = corners[:, normal] - position
    points = []
    for a in range(8):
        for bit in (1, 2, 4):  # the corners at both ends of an edge differ in one bit
            b = a | bit
            if b != a and (side[a] > 0) != (side[b] > 0):
                points.append(corners[a] + side[a] / (side[a] - side[b]) * (corners[b] - corners[a]))
    if not points:
        return np.empty((0, 3))
    found = np.asarray(points)
    u, v = (found - found.mean(axis=0))[:, [n for n in range(3) if n != normal]].T
    return found[np.argsort(np.arctan2(v, u))]
