"""Planes along the patient's axes through a tumor, with the pictures and the outlines of boxes in them.

Planes lie along LPS, for any axes of the volume, in radiological display: axial and coronal planes show the patient's
right on the left, sagittal planes show anterior on the left. Only the neighborhood of the box is resampled, except for
a projection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["PLANE_NAMES", "PROJECTED_MM", "Plane", "PlaneName", "box_section", "focus_of"]

PlaneName = Literal["axial", "coronal", "sagittal"]
PLANE_NAMES: tuple[PlaneName, ...] = get_args(PlaneName)
#: Distance of the samples of a projection, mm.
PROJECTED_MM = 4.0

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

    @classmethod
    def over(cls, image: sitk.Image, name: PlaneName) -> Plane:
        """Returns a plane as large as a whole image, for ``project``.

        Args:
            image: 3D, any geometry.
            name: name of the plane.
        """
        corners = Grid.from_image(image).corners_lps
        return cls(name, corners.min(axis=0), corners.max(axis=0))

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
        return self._sampled(image, [max(2, round(extent)) for extent in self.extent_mm] + [1])[0]

    def project(self, image: sitk.Image) -> NDArray[np.float32]:
        """Highest values of the image along the normal of this plane, ``PROJECTED_MM`` apart or less.

        Args:
            image: 3D, any geometry, the one of ``over``.

        Returns:
            float32 (rows downward, columns rightward).
        """
        size = [max(2, math.ceil(extent / PROJECTED_MM)) for extent in (*self.extent_mm, self._depth_mm)]
        highest: NDArray[np.float32] = self._sampled(image, size).max(axis=0)
        return highest

    @property
    def _depth_mm(self) -> float:
        return float((self.high - self.low).sum() - sum(self.extent_mm))

    def _sampled(self, image: sitk.Image, size: list[int]) -> NDArray[np.float32]:
        """Samples the image evenly on this plane and along its normal: float32 (depth, rows, columns)."""
        (right, right_sign), (down, down_sign), _ = _DISPLAY[self.name]
        columns = np.eye(3)[[right, down]] * [[right_sign], [down_sign]]
        axes = np.stack([*columns, np.cross(*columns)])
        extents = (*self.extent_mm, self._depth_mm)
        spacing = [extent / n if extent else 1.0 for extent, n in zip(extents, size, strict=True)]
        # First the top left corner of the picture, then the center of its first pixel.
        corner = np.where(axes.sum(axis=0) < 0, self.high, self.low)
        origin = corner + axes.T @ (np.asarray(extents) / size / 2)
        sampled = sitk.Resample(
            image,
            size,
            sitk.Transform(3, sitk.sitkIdentity),
            sitk.sitkLinear,
            origin.tolist(),
            spacing,
            axes.T.ravel().tolist(),
            0.0,
            sitk.sitkFloat32,
        )
        return sitk.GetArrayFromImage(sampled)

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

    def silhouette(self, box: Box) -> NDArray[np.float64]:
        """Corners of the polygon that a box covers along the normal, (n, 2), in the picture's LPS mm."""
        (right, _), (down, _), _ = _DISPLAY[self.name]
        corners = box.corners_lps[:, [right, down]]
        return corners[ConvexHull(corners).vertices]


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
