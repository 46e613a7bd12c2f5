"""Geometry of voxel grids and boxes; no other module computes geometry of its own.

All coordinates are in millimeters in the LPS frame of ITK and DICOM. Index axes are named ``ijk`` (SimpleITK order,
``i`` fastest); NumPy arrays and tensors of a volume have the axes ``(k, j, i)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError

__all__ = ["FACE_TOLERANCE_MM", "Box", "Grid", "ras_to_lps"]

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

_IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

#: A voxel center closer than this to a face (mm) counts as outside, so that rounding never moves a voxel inside.
FACE_TOLERANCE_MM = 1e-6
#: Rounding error (mm) along an axis at right angles, far below the tolerance above.
_NEGLIGIBLE_MM = 1e-9


def ras_to_lps(vectors: Sequence[float] | NDArray) -> NDArray[np.float64]:
    """Converts RAS coordinates, shape (..., 3), mm, to LPS. The same call converts LPS to RAS."""
    return np.asarray(vectors, dtype=np.float64) * np.array([-1.0, -1.0, 1.0])


def _vector(values: Sequence[float] | NDArray) -> Vector:
    a, b, c = (float(v) for v in values)
    return (a, b, c)


def _matrix(values: Sequence | NDArray) -> Matrix:
    rows = np.asarray(values, dtype=np.float64).reshape(3, 3)
    return (_vector(rows[0]), _vector(rows[1]), _vector(rows[2]))


@dataclass(frozen=True)
class Grid:
    """A voxel grid: LPS = origin + direction @ (spacing * ijk).

    Args:
        size_ijk: voxels along i, j, k.
        spacing_mm: distance of voxel centers along i, j, k.
        origin_lps: position of the center of voxel (0, 0, 0), mm.
        direction: rows of the 3x3 matrix whose columns are the LPS directions of i, j, k. May be left-handed.
    """

    size_ijk: tuple[int, int, int]
    spacing_mm: Vector
    origin_lps: Vector = (0.0, 0.0, 0.0)
    direction: Matrix = _IDENTITY

    @classmethod
    def from_image(cls, image: sitk.Image) -> Grid:
        """Returns the grid of a 3D SimpleITK image.

        Raises:
            UnsupportedVolumeError: the image is not 3D, or has an empty axis, zero spacing, an origin that is not
                finite, or a singular direction matrix.
        """
        if image.GetDimension() != 3:
            raise UnsupportedVolumeError(
                f"The volume has {image.GetDimension()} dimensions, but TumorGen needs 3. Extract one frame first."
            )
        i, j, k = image.GetSize()
        if min(i, j, k) < 1:
            raise UnsupportedVolumeError(f"The volume is empty: its size is {(i, j, k)} voxels. Export it again.")
        grid = cls((i, j, k), _vector(image.GetSpacing()), _vector(image.GetOrigin()), _matrix(image.GetDirection()))
        if not np.all(np.isfinite(grid.spacing_mm)) or min(grid.spacing_mm) <= 0:
            raise UnsupportedVolumeError(
                f"The voxel spacing {grid.spacing_mm} mm must be positive. Correct the header."
            )
        if not np.all(np.isfinite(grid.origin_lps)):
            raise UnsupportedVolumeError(f"The origin {grid.origin_lps} is not finite. Correct the header.")
        matrix = np.asarray(grid.direction)
        if not np.all(np.isfinite(matrix)) or abs(np.linalg.det(matrix)) < 1e-3:
            raise UnsupportedVolumeError(
                f"The direction matrix {matrix.tolist()} is singular, so voxels have no position. Correct the header."
            )
        return grid

    @property
    def index_to_lps_matrix(self) -> NDArray[np.float64]:
        """4x4 matrix that maps homogeneous ijk to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction) * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_lps
        return matrix

    @property
    def right_edges_mm(self) -> Vector:
        """Edges along i, j, k, mm, of right-angled voxels with the volume of this grid's.

        They are the spacing, except in a sheared grid, whose voxels are smaller than the product of their edges.
        """
        shrink = abs(float(np.linalg.det(self.direction))) ** (1 / 3)
        return _vector([edge * shrink for edge in self.spacing_mm])

    def index_to_lps(self, ijk: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """Returns the LPS points, shape (..., 3), mm, of indices ijk, shape (..., 3), which may be fractional."""
        matrix = self.index_to_lps_matrix
        return np.asarray(ijk, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]

    def lps_to_index(self, points_lps: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """Returns the fractional indices ijk, shape (..., 3), of LPS points, shape (..., 3), mm."""
        inverse = np.linalg.inv(self.index_to_lps_matrix[:3, :3])
        return (np.asarray(points_lps, dtype=np.float64) - np.asarray(self.origin_lps)) @ inverse.T

    def region(self, start_ijk: Sequence[int] | NDArray, size_ijk: Sequence[int] | NDArray) -> Grid:
        """Returns the grid of a block of ``size_ijk`` voxels from ``start_ijk`` on; it may reach beyond this grid."""
        i, j, k = (int(n) for n in size_ijk)
        return Grid((i, j, k), self.spacing_mm, _vector(self.index_to_lps(start_ijk)), self.direction)

    @property
    def corners_lps(self) -> NDArray[np.float64]:
        """The 8 outer corners of the grid, half a voxel beyond the voxel centers, shape (8, 3), LPS mm."""
        size = np.asarray(self.size_ijk, dtype=np.float64)
        return self.index_to_lps(_unit_corners() * size - 0.5)

    def empty_image(self, pixel_id: int = sitk.sitkFloat32) -> sitk.Image:
        """Returns a SimpleITK image of zeros on this grid, with the pixel type ``pixel_id``."""
        image = sitk.Image(list(self.size_ijk), pixel_id)
        self.stamp(image)
        return image

    def stamp(self, image: sitk.Image) -> None:
        """Sets spacing, origin and direction of ``image`` to those of this grid."""
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_lps)
        image.SetDirection(np.asarray(self.direction).ravel().tolist())

    def image_from_array(self, array: NDArray) -> sitk.Image:
        """Returns an array with axes (k, j, i) as a SimpleITK image on this grid."""
        image = sitk.GetImageFromArray(array)
        self.stamp(image)
        return image


@dataclass(frozen=True)
class Box:
    """A rough box, which may be rotated: |axes^T (x - center)| <= size / 2.

    Args:
        center_lps: center, LPS mm.
        size_mm: full edge lengths along the axes of the box, mm.
        axes: rows of the 3x3 orthonormal matrix whose columns are the axes of the box in LPS.

    Raises:
        InvalidBoxError: a value is not finite, an edge is not positive, or the axes are not orthonormal.
    """

    center_lps: Vector
    size_mm: Vector
    axes: Matrix = field(default=_IDENTITY)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "center_lps", _vector(self.center_lps))
            object.__setattr__(self, "size_mm", _vector(self.size_mm))
            object.__setattr__(self, "axes", _matrix(self.axes))
        except (TypeError, ValueError) as error:
            raise InvalidBoxError(
                f"A box needs three numbers for its center, three for its size, and 3x3 axes: {error}."
            ) from error
        if not np.all(np.isfinite(self.center_lps)):
            raise InvalidBoxError(f"The box center {self.center_lps} is not finite. Place the box again.")
        if not np.all(np.isfinite(self.size_mm)) or min(self.size_mm) <= 0:
            raise InvalidBoxError(f"The box size {self.size_mm} mm must be positive on each axis. Draw the box larger.")
        axes = np.asarray(self.axes)
        if not np.all(np.isfinite(axes)) or not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
            raise InvalidBoxError(
                f"The box axes {axes.tolist()} are not orthonormal. Remove scaling and shear from the box."
            )

    @classmethod
    def from_ras(
        cls, center_ras: Sequence[float], size_mm: Sequence[float], axes_ras: Sequence | NDArray | None = None
    ) -> Box:
        """Returns the box for values in RAS, the frame of 3D Slicer.

        Args:
            center_ras: center, RAS mm.
            size_mm: full edge lengths along the axes of the box, mm.
            axes_ras: 3x3 matrix whose columns are the axes of the box in RAS; None means the axes R, A and S.

        Raises:
            InvalidBoxError: see the class.
        """
        axes = np.eye(3) if axes_ras is None else ras_to_lps(np.asarray(axes_ras, dtype=np.float64).T).T
        return cls(_vector(ras_to_lps(center_ras)), _vector(size_mm), _matrix(axes))

    def to_box(self, points_lps: NDArray) -> NDArray[np.float64]:
        """Converts LPS points to coordinates along the axes of the box, from its center; both mm, shape (..., 3)."""
        return (np.asarray(points_lps, dtype=np.float64) - np.asarray(self.center_lps)) @ np.asarray(self.axes)

    def to_lps(self, points_box: NDArray) -> NDArray[np.float64]:
        """Converts coordinates along the axes of the box, from its center, to LPS points; both mm, shape (..., 3)."""
        return np.asarray(points_box, dtype=np.float64) @ np.asarray(self.axes).T + np.asarray(self.center_lps)

    def contains(self, points_lps: NDArray) -> NDArray[np.bool_]:
        """Returns whether LPS points, shape (..., 3), mm, lie inside, shape (...,); a point on a face is outside."""
        return np.all(np.abs(self.to_box(points_lps)) <= np.asarray(self.size_mm) / 2 - FACE_TOLERANCE_MM, axis=-1)

    @property
    def corners_lps(self) -> NDArray[np.float64]:
        """The 8 corners, shape (8, 3), LPS mm."""
        return self.to_lps((_unit_corners() - 0.5) * np.asarray(self.size_mm))

    def voxels(self, grid: Grid) -> tuple[NDArray[np.bool_], tuple[slice, slice, slice]]:
        """Finds the voxels of ``grid`` whose center lies inside the box.

        Returns:
            Booleans (k, j, i) for a region of the grid, and the slices (k, j, i) of the region. No voxel outside the
            region lies inside the box. The region is empty if the box lies outside the grid.
        """
        start, stop = self.index_bounds(grid)
        region = (slice(start[2], stop[2]), slice(start[1], stop[1]), slice(start[0], stop[0]))
        inside = np.ones(np.maximum(stop - start, 0)[::-1], dtype=bool)
        for depth in self.depths_mm(grid, region):
            inside &= depth >= FACE_TOLERANCE_MM
        return inside, region

    def holds_voxels(self, grid: Grid) -> bool:
        """Returns whether any voxel of ``grid`` has its center inside the box."""
        # Usually the voxel nearest to the center of the box decides it.
        nearest = np.clip(np.rint(grid.lps_to_index(self.center_lps)), 0, np.asarray(grid.size_ijk) - 1)
        return bool(self.contains(grid.index_to_lps(nearest))) or bool(self.voxels(grid)[0].any())

    def depths_mm(self, grid: Grid, region: tuple[slice, slice, slice]) -> list[NDArray[np.float64]]:
        """Returns the depth of voxel centers below the nearer face along each axis of the box; negative outside.

        Args:
            grid: grid of the voxels.
            region: slices (k, j, i) of the voxels to use.

        Returns:
            One array for each axis of the box, mm, which broadcasts to the (k, j, i) of the region. If an axis of the
            box is parallel to an axis of the grid, its array is a single line of voxels.
        """
        axes, matrix = np.asarray(self.axes), grid.index_to_lps_matrix
        steps = axes.T @ matrix[:3, :3]
        first = axes.T @ (matrix[:3, 3] - np.asarray(self.center_lps))
        depths = []
        for axis, size in enumerate(self.size_mm):
            along = np.full((1, 1, 1), first[axis])
            for index, along_index, step in zip(np.ogrid[region], region, steps[axis, ::-1], strict=True):
                if abs(step) * along_index.stop > _NEGLIGIBLE_MM:
                    along = along + step * index
            depths.append(size / 2 - np.abs(along))
        return depths

    def mask(self, grid: Grid) -> NDArray[np.bool_]:
        """Returns booleans (k, j, i) of the whole ``grid``: true if the center of the voxel lies inside the box."""
        inside = np.zeros(grid.size_ijk[::-1], dtype=bool)
        voxels, region = self.voxels(grid)
        inside[region] = voxels
        return inside

    def canonical(self) -> Box:
        """Returns the same box with its axes in the order and sense nearest to L, P, S.

        A box has 48 descriptions, by order and sense of its axes. This one makes equal boxes give equal tumors.
        """
        axes = np.asarray(self.axes)
        order: list[int] = []
        for row in range(3):
            rest = [column for column in range(3) if column not in order]
            order.append(max(rest, key=lambda column: abs(axes[row, column])))
        axes = axes[:, order]
        axes = axes * np.where(np.diagonal(axes) < 0, -1.0, 1.0)
        return Box(self.center_lps, _vector([self.size_mm[column] for column in order]), _matrix(axes))

    @property
    def volume_ml(self) -> float:
        """Volume of the box, ml."""
        return float(np.prod(self.size_mm)) / 1000.0

    def index_bounds(self, grid: Grid, margin_voxels: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns the range of voxels of ``grid`` that could lie inside the box.

        Args:
            grid: grid of the voxels.
            margin_voxels: number of voxels to add at both ends of each axis.

        Returns:
            First and one-past-last ijk, shape (3,) each, within the grid. The range is empty (stop <= start on an
            axis) if the box lies outside the grid.
        """
        corners = grid.lps_to_index(self.corners_lps)
        size = np.asarray(grid.size_ijk)
        start = np.clip(np.floor(corners.min(axis=0)) - margin_voxels, 0, size).astype(np.int64)
        stop = np.clip(np.ceil(corners.max(axis=0)) + 1 + margin_voxels, 0, size).astype(np.int64)
        return start, stop


def _unit_corners() -> NDArray[np.float64]:
    return np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0], [0.0, 1.0], indexing="ij"), axis=-1).reshape(8, 3)
