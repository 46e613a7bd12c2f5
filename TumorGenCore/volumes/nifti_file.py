"""Reads NIfTI-1 files (.nii, .nii.gz), after a check of their header.

ITK is not used here: it hangs on an infinite matrix, fills truncated files with zeros, and changes or prefers header
values without a word. Standard: https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

from __future__ import annotations

import gzip
import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import UnsupportedVolumeError, VolumeWarning
from TumorGenCore.volumes.geometry import Grid, ras_to_lps
from TumorGenCore.volumes.header_grid import header_grid, header_grid_of_steps
from TumorGenCore.volumes.voxel_data import check_size, decoded, fill_voxels, scaled, skip_bytes

__all__ = ["read_nifti"]

_HEADER_BYTES = 348
_SINGLE_FILE_OFFSET = 352
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_MM_PER_UNIT = {1: 1000.0, 3: 0.001}
_MAX_FORM_CODE = 5
#: Share of the smallest voxel edge by which the two forms may place a voxel differently: rounding, and a little shear.
_SAME_PLACE = 0.5
#: Share by which voxel sizes may differ.
_SAME_SIZE = 0.01
#: Share by which equal voxel sizes differ when they are rounded to 32 bits.
_ROUNDED = 1e-5
#: Cosine of the angle between two axes above which they count as sheared.
_SHEAR = 1e-3


def read_nifti(path: Path) -> sitk.Image:
    """Reads a NIfTI-1 file with one 3D volume of one real number per voxel; the slope of the header is applied.

    Warns:
        VolumeWarning: the file does not say where it lies, or contradicts itself; the message says what was taken.

    Raises:
        UnsupportedVolumeError: the file cannot be used.
        EOFError, OSError, ValueError, zlib.error: the file is damaged.
    """
    with path.open("rb") as file:
        compressed = path.name.lower().endswith(".gz")
        with gzip.GzipFile(fileobj=file) if compressed else file as stream:
            header = _Header.parse(path.name, stream.read(_SINGLE_FILE_OFFSET))
            grid = header.grid()
            wanted = check_size(path.name, header.size_ijk, header.dtype)
            if wanted > path.stat().st_size * (1032 if compressed else 1) + _SINGLE_FILE_OFFSET:
                raise EOFError(f"{path.stat().st_size} bytes cannot hold {wanted} bytes of voxels")
            skip_bytes(path.name, stream, header.offset - _SINGLE_FILE_OFFSET)
            pieces = decoded(stream, "raw", wanted, header.dtype)
            voxels = fill_voxels(path.name, pieces, header.size_ijk, header.dtype)
    return grid.image_from_array(scaled(voxels, header.slope, header.intercept))


@dataclass(frozen=True)
class _Header:
    """The header values that decide about voxels and their places, as they stand in the file."""

    name: str
    size_ijk: tuple[int, int, int]
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    pixdim: tuple[float, ...]
    mm_per_unit: float
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    srow: NDArray[np.float64]

    @classmethod
    def parse(cls, name: str, header: bytes) -> _Header:
        """Reads and checks everything but the geometry."""
        marks = {struct.pack(order + "i", size): (order, size) for order in "<>" for size in (348, 540)}
        order, size = marks.get(header[:4], ("", 0))
        if size == 540:
            raise UnsupportedVolumeError(f"{name} is NIfTI-2, which TumorGen cannot read. Convert it to NIfTI-1.")
        if not size:
            raise UnsupportedVolumeError(f"{name} is not a NIfTI file. Give NIfTI, NRRD, MHA or a DICOM folder.")
        if len(header) < _SINGLE_FILE_OFFSET:
            raise UnsupportedVolumeError(f"{name} is truncated within its header. Export it again.")
        if header[344:348] != b"n+1\0":
            raise UnsupportedVolumeError(
                f"{name} lacks the mark of a NIfTI file with header and voxels (it has {header[344:348]!r}; Analyze, "
                "or half of a pair?). Convert it to a single .nii file."
            )

        def values(kind: str, place: int) -> tuple:
            return struct.unpack_from(order + kind, header, place)

        slope, intercept = values("2f", 112)
        if slope == 0 or not math.isfinite(slope):
            slope, intercept = 1.0, 0.0  # the standard: a slope of 0 means that values are stored as they are
        if not math.isfinite(intercept):
            raise UnsupportedVolumeError(f"The intercept scl_inter of {name} is {intercept}. Correct the header.")
        codes = values("2h", 252)
        if not all(0 <= code <= _MAX_FORM_CODE for code in codes):
            raise UnsupportedVolumeError(
                f"{name} has the qform_code {codes[0]} and the sform_code {codes[1]}; from 0 to {_MAX_FORM_CODE} are "
                "possible. Correct the header."
            )
        return cls(
            name=name,
            size_ijk=_size(name, values("8h", 40)),
            dtype=np.dtype(order + _voxel_type(name, *values("2h", 70))),
            offset=_offset(name, *values("f", 108)),
            slope=slope,
            intercept=intercept,
            pixdim=values("8f", 76),
            mm_per_unit=_MM_PER_UNIT.get(header[123] & 7, 1.0),
            qform_code=codes[0],
            sform_code=codes[1],
            quaternion=values("6f", 256),
            srow=np.reshape(values("12f", 280), (3, 4)).astype(np.float64),
        )

    def grid(self) -> Grid:
        """Returns the grid by the sform if it is coded, else by the qform, else by the voxel size alone."""
        if any(not (math.isfinite(step) and step > 0) for step in self.pixdim[1:4]):
            raise UnsupportedVolumeError(
                f"The voxel spacing (pixdim) {self.pixdim[1:4]} of {self.name} must be positive. Correct the header."
            )
        if self.sform_code > 0 and not np.isfinite(self.srow).all():
            raise UnsupportedVolumeError(
                f"The sform of {self.name} has NaN or Inf: {self.srow.tolist()}. Correct the header."
            )
        if self.sform_code > 0 and (self.qform_code <= 0 or self._sform_is_rectangular()):
            return self._sform_grid()
        if self.qform_code > 0:
            if self.sform_code > 0:
                self._warn(f"{self.name} has a sform that is sheared or has no volume: {self.srow.tolist()}", "qform")
            if not (self.pixdim[0] >= 0 or self.pixdim[0] == -1):
                raise UnsupportedVolumeError(
                    f"{self.name} has the qfac (pixdim[0]) {self.pixdim[0]:g}, but the qform needs -1 or 1, which "
                    "tells left from right. Correct the header."
                )
            return self._qform_grid()
        self._warn(
            f"{self.name} does not say where it lies (qform_code and sform_code are 0)",
            "voxel size, with the first voxel at 0, 0, 0 and axes to L, P, S",
        )
        return header_grid(self.name, self.size_ijk, self._pixdim_mm, (0.0, 0.0, 0.0), np.eye(3))

    @property
    def _pixdim_mm(self) -> NDArray[np.float64]:
        return np.asarray(self.pixdim[1:4], np.float64) * self.mm_per_unit

    def _sform_is_rectangular(self) -> bool:
        steps = self.srow[:, :3]
        lengths = np.linalg.norm(steps, axis=0)
        if not lengths.all():
            return False
        cosines = (steps / lengths).T @ (steps / lengths) - np.eye(3)
        return bool(np.abs(cosines).max() < _SHEAR)

    def _sform_grid(self) -> Grid:
        if not self._sform_is_rectangular():
            raise UnsupportedVolumeError(
                f"The sform {self.srow.tolist()} of {self.name} is sheared or has no volume. Resample the volume to "
                "axes at right angles."
            )
        lps = ras_to_lps(self.srow.T * self.mm_per_unit).T
        grid = header_grid_of_steps(self.name, self.size_ijk, lps[:, :3], lps[:, 3])
        if np.allclose(grid.spacing_mm, self._pixdim_mm, rtol=_ROUNDED):
            # Both are the same size; the steps of the sform add rounding to 32 bits.
            grid = header_grid(self.name, self.size_ijk, self._pixdim_mm, grid.origin_lps, grid.direction)
        if not np.allclose(grid.spacing_mm, self._pixdim_mm, rtol=_SAME_SIZE):
            self._warn(
                f"{self.name} contradicts itself: its voxels are {_mm(grid.spacing_mm)} by the sform, but "
                f"{_mm(self._pixdim_mm)} by pixdim",
                "sform",
            )
        elif self.qform_code > 0 and self._contradicts(grid, other := self._qform_grid()):
            self._warn(
                f"{self.name} contradicts itself: the sform {_place(grid)}, but the qform {_place(other)}", "sform"
            )
        return grid

    def _contradicts(self, sform: Grid, qform: Grid) -> bool:
        """Returns whether the forms exclude each other.

        Forms with two codes name two spaces, such as scanner and atlas. These may be moved and turned against each
        other, but not mirrored.
        """
        if self.sform_code != self.qform_code:
            return bool(np.linalg.det(sform.direction) * np.linalg.det(qform.direction) < 0)
        apart = np.linalg.norm(sform.corners_lps - qform.corners_lps, axis=1).max()
        return bool(apart > _SAME_PLACE * min(sform.spacing_mm))

    def _qform_grid(self) -> Grid:
        vector = np.asarray(self.quaternion[:3], np.float64)
        length = float(vector @ vector)
        if not length <= 1.001:
            raise UnsupportedVolumeError(
                f"The quaternion {tuple(self.quaternion[:3])} of the qform of {self.name} is no rotation. Correct the "
                "header."
            )
        b, c, d = vector / max(1.0, math.sqrt(length))
        a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
            ]
        )
        if self.pixdim[0] < 0:
            rotation[:, 2] *= -1
        origin = np.asarray(self.quaternion[3:], np.float64) * self.mm_per_unit
        return header_grid(self.name, self.size_ijk, self._pixdim_mm, ras_to_lps(origin), ras_to_lps(rotation.T).T)

    @staticmethod
    def _warn(problem: str, taken: str) -> None:
        warnings.warn(f"{problem}. The {taken} was taken. Check the place of the volume.", VolumeWarning, stacklevel=4)


def _size(name: str, dim: tuple[int, ...]) -> tuple[int, int, int]:
    axes = dim[0]
    if not 1 <= axes <= 7 or min(dim[1 : axes + 1]) < 1:
        raise UnsupportedVolumeError(f"{name} has the impossible dimensions {dim}. Export it again.")
    while axes > 3 and dim[axes] == 1:
        axes -= 1
    if axes == 5 and dim[4] == 1:
        raise UnsupportedVolumeError(
            f"{name} has {dim[5]} components, but TumorGen needs one real number per voxel. Extract one component "
            "first."
        )
    if axes != 3:
        raise UnsupportedVolumeError(f"{name} has {axes} dimensions, but TumorGen needs 3. Extract one frame first.")
    return dim[1], dim[2], dim[3]


def _voxel_type(name: str, datatype: int, bitpix: int) -> str:
    kind = _TYPES.get(datatype)
    if kind is None:
        raise UnsupportedVolumeError(
            f"{name} has voxels of NIfTI datatype {datatype}, but TumorGen needs one real number per voxel, of 8 to 64 "
            "bits. Extract one component first."
        )
    if bitpix != 8 * np.dtype(kind).itemsize:
        raise UnsupportedVolumeError(
            f"{name} contradicts itself: bitpix says {bitpix} bits per voxel, but datatype {datatype} has "
            f"{8 * np.dtype(kind).itemsize}. Correct the header."
        )
    return kind


def _offset(name: str, offset: float) -> int:
    if offset == 0:
        warnings.warn(
            f"{name} says that its voxels start at byte 0 (vox_offset), within the header. Byte {_SINGLE_FILE_OFFSET}, "
            "the first after the header, was taken.",
            VolumeWarning,
            stacklevel=4,
        )
        return _SINGLE_FILE_OFFSET
    if not (math.isfinite(offset) and offset >= _SINGLE_FILE_OFFSET and offset == int(offset)):
        raise UnsupportedVolumeError(
            f"{name} says that its voxels start at byte {offset} (vox_offset); it must be a whole number from "
            f"{_SINGLE_FILE_OFFSET} on. Correct the header."
        )
    return int(offset)


def _mm(spacing: object) -> str:
    return " x ".join(f"{step:.4g}" for step in np.asarray(spacing)) + " mm"


def _place(grid: Grid) -> str:
    steps = np.round(grid.index_to_lps_matrix[:3, :3].T, 2).tolist()
    return f"puts the first voxel at {np.round(grid.origin_lps, 2).tolist()} LPS with the axes {steps} mm"
