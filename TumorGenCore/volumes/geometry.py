"""Where voxels and boxes are: the one owner of geometry.

Everything is in millimeters in the LPS frame of ITK and DICOM. Index axes are named ``ijk`` (SimpleITK
order, ``i`` fastest); NumPy arrays and tensors of a volume have the axes ``(k, j, i)``.
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

#: A voxel center this close to a face (mm) counts as outside, so that rounding can never move a voxel in.
FACE_TOLERANCE_MM = 1e-6
#: Far below that; what rounding leaves of an axis at right angles.
_NEGLIGIBLE_MM = 1e-9


def ras_to_lps(vectors: Sequence[float] | NDArray) -> NDArray[np.float64]:
    """Turn RAS coordinates, shape (..., 3), mm, into LPS. The same call turns LPS into RAS."""
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
        """The grid of a 3D SimpleITK image.

        Raises:
            UnsupportedVolumeError: not 3D, an empty axis, zero spacing, or a singular direction matrix.
        """
        if image.GetDimension() != 3:
            raise UnsupportedVolumeError(
                f"The volume has {image.GetDimension()} dimensions; TumorGen needs 3. Extract one frame first."
            )
        i, j, k = image.GetSize()
        if min(i, j, k) < 1:
            raise UnsupportedVolumeError(f"The volume is empty: its size is {(i, j, k)}.")
        grid = cls((i, j, k), _vector(image.GetSpacing()), _vector(image.GetOrigin()), _matrix(image.GetDirection()))
        if not np.all(np.isfinite(grid.spacing_mm)) or min(grid.spacing_mm) <= 0:
            raise UnsupportedVolumeError(
                f"The voxel spacing {grid.spacing_mm} mm must be positive; correct the header."
            )
        if not np.all(np.isfinite(grid.origin_lps)):
            raise UnsupportedVolumeError(f"The origin {grid.origin_lps} is not finite; correct the header.")
        matrix = np.asarray(grid.direction)
        if not np.all(np.isfinite(matrix)) or abs(np.linalg.det(matrix)) < 1e-3:
            raise UnsupportedVolumeError(
                f"The direction matrix {matrix.tolist()} is singular, so voxels have no place; correct the header."
            )
        return grid

    @property
    def index_to_lps_matrix(self) -> NDArray[np.float64]:
        """4x4 matrix from homogeneous ijk to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.direction) * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_lps
        return matrix

    def index_to_lps(self, ijk: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """LPS mm, shape (..., 3), of indices ijk, shape (..., 3), which may be fractional."""
        matrix = self.index_to_lps_matrix
        return np.asarray(ijk, dtype=np.float64) @ matrix[:3, :3].T + matrix[:3, 3]

    def lps_to_index(self, points_lps: Sequence[float] | NDArray) -> NDArray[np.float64]:
        """Fractional ijk, shape (..., 3), of LPS points, shape (..., 3), mm."""
        inverse = np.linalg.inv(self.index_to_lps_matrix[:3, :3])
        return (np.asarray(points_lps, dtype=np.float64) - np.asarray(self.origin_lps)) @ inverse.T

    def region(self, start_ijk: Sequence[int] | NDArray, size_ijk: Sequence[int] | NDArray) -> Grid:
        """The grid of a block of ``size_ijk`` voxels that begins at ``start_ijk``; it may reach past this one."""
        i, j, k = (int(n) for n in size_ijk)
        return Grid((i, j, k), self.spacing_mm, _vector(self.index_to_lps(start_ijk)), self.direction)

    @property
    def corners_lps(self) -> NDArray[np.float64]:
        """The 8 outer corners of the grid's voxels (half a voxel beyond the centers), shape (8, 3), mm."""
        size = np.asarray(self.size_ijk, dtype=np.float64)
        return self.index_to_lps(_unit_corners() * size - 0.5)

    def empty_image(self, pixel_id: int = sitk.sitkFloat32) -> sitk.Image:
        """A zero-filled SimpleITK image on this grid, of the pixel type ``pixel_id``."""
        image = sitk.Image(list(self.size_ijk), pixel_id)
        self.stamp(image)
        return image

    def stamp(self, image: sitk.Image) -> None:
        """Give ``image`` this grid's spacing, origin and direction."""
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_lps)
        image.SetDirection(np.asarray(self.direction).ravel().tolist())

    def image_from_array(self, array: NDArray) -> sitk.Image:
        """A SimpleITK image on this grid from an array with axes (k, j, i)."""
        image = sitk.GetImageFromArray(array)
        self.stamp(image)
        return image


@dataclass(frozen=True)
class Box:
    """A rough box, possibly rotated: |axes^T (x - center)| <= size / 2.

    Args:
        center_lps: center, LPS mm.
        size_mm: full edge lengths along the box's own axes, mm.
        axes: rows of the 3x3 orthonormal matrix whose columns are the box's axes in LPS.

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
                f"A box needs three numbers for center and for size, and 3x3 axes: {error}."
            ) from error
        if not np.all(np.isfinite(self.center_lps)):
            raise InvalidBoxError(f"The box center {self.center_lps} is not finite; place the box again.")
        if not np.all(np.isfinite(self.size_mm)) or min(self.size_mm) <= 0:
            raise InvalidBoxError(f"The box size {self.size_mm} mm must be positive on each axis; draw the box larger.")
        axes = np.asarray(self.axes)
        if not np.all(np.isfinite(axes)) or not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
            raise InvalidBoxError(
                f"The box axes {axes.tolist()} are not orthonormal; remove scaling and shear from the box."
            )

    @classmethod
    def from_ras(
        cls, center_ras: Sequence[float], size_mm: Sequence[float], axes_ras: Sequence | NDArray | None = None
    ) -> Box:
        """A box given in RAS, the frame of 3D Slicer.

        Args:
            center_ras: center, RAS mm.
            size_mm: full edge lengths along the box's own axes.
            axes_ras: 3x3, columns are the box's axes in RAS; None lays them along R, A and S.

        Raises:
            InvalidBoxError: see the class.
        """
        axes = np.eye(3) if axes_ras is None else ras_to_lps(np.asarray(axes_ras, dtype=np.float64).T).T
        return cls(_vector(ras_to_lps(center_ras)), _vector(size_mm), _matrix(axes))

    def to_box(self, points_lps: NDArray) -> NDArray[np.float64]:
        """Coordinates along the box's axes from its center, mm, of LPS points, mm; both (..., 3)."""
        return (np.asarray(points_lps, dtype=np.float64) - np.asarray(self.center_lps)) @ np.asarray(self.axes)

    def to_lps(self, points_box: NDArray) -> NDArray[np.float64]:
        """LPS mm of points given along the box's axes from its center, mm; both (..., 3)."""
        return np.asarray(points_box, dtype=np.float64) @ np.asarray(self.axes).T + np.asarray(self.center_lps)

    def contains(self, points_lps: NDArray) -> NDArray[np.bool_]:
        """Whether LPS points (..., 3), mm, lie inside, (...,); a point on a face counts as outside."""
        return np.all(np.abs(self.to_box(points_lps)) <= np.asarray(self.size_mm) / 2 - FACE_TOLERANCE_MM, axis=-1)

    @property
    def corners_lps(self) -> NDArray[np.float64]:
        """The 8 corners, shape (8, 3), LPS mm."""
        return self.to_lps((_unit_corners() - 0.5) * np.asarray(self.size_mm))

    def voxels(self, grid: Grid) -> tuple[NDArray[np.bool_], tuple[slice, slice, slice]]:
        """Which voxels of ``grid`` have their center inside the box.

        Returns:
            Booleans (k, j, i) for a region of the grid, and the region's slices (k, j, i); no voxel outside the region
            lies inside the box. The region is empty when the box misses the grid.
        """
        start, stop = self.index_bounds(grid)
        region = (slice(start[2], stop[2]), slice(start[1], stop[1]), slice(start[0], stop[0]))
        inside = np.ones(np.maximum(stop - start, 0)[::-1], dtype=bool)
        for depth in self.depths_mm(grid, region):
            inside &= depth >= FACE_TOLERANCE_MM
        return inside, region

    def holds_voxels(self, grid: Grid) -> bool:
        """Whether any voxel of ``grid`` has its center inside the box."""
        # Mostly the voxel nearest to the box's center settles it.
        nearest = np.clip(np.rint(grid.lps_to_index(self.center_lps)), 0, np.asarray(grid.size_ijk) - 1)
        return bool(self.contains(grid.index_to_lps(nearest))) or bool(self.voxels(grid)[0].any())

    def depths_mm(self, grid: Grid, region: tuple[slice, slice, slice]) -> list[NDArray[np.float64]]:
        """How deep voxel centers lie between the two faces across each of the box's axes; negative outside.

        Args:
            grid: of the voxels.
            region: which of them, slices (k, j, i).

        Returns:
            For each axis an array that broadcasts to the region's (k, j, i): across an axis of the grid a line of them.
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
        """Which voxels of the whole ``grid`` have their center inside the box, (k, j, i)."""
        inside = np.zeros(grid.size_ijk[::-1], dtype=bool)
        voxels, region = self.voxels(grid)
        inside[region] = voxels
        return inside

    def canonical(self) -> Box:
        """The same box with its axes in the order and sense nearest to L, P, S.

        A box can be described in 48 ways (which axis comes first, which way it points); seen this way, equal boxes
        give equal tumors.
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
        """The range of voxels of ``grid`` that could lie inside the box.

        Args:
            grid: of the voxels.
            margin_voxels: by how much the range is wider at both ends.

        Returns:
            First and one-past-last ijk, (3,) each, within the grid. The range is empty (stop <= start on an axis) when
            the box misses the grid.
        """
        corners = grid.lps_to_index(self.corners_lps)
        size = np.asarray(grid.size_ijk)
        start = np.clip(np.floor(corners.min(axis=0)) - margin_voxels, 0, size).astype(np.int64)
        stop = np.clip(np.ceil(corners.max(axis=0)) + 1 + margin_voxels, 0, size).astype(np.int64)
        return start, stop


def _unit_corners() -> NDArray[np.float64]:
    return np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0], [0.0, 1.0], indexing="ij"), axis=-1).reshape(8, 3)
