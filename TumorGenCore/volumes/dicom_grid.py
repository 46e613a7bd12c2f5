"""The voxel grid of a DICOM PET series: checks its slices and sorts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.dicom_values import header_number, header_value
from TumorGenCore.volumes.geometry import Grid

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["GRID_TAGS", "SlicePlan", "grid_remarks", "plan_slices"]

_FRAME_TAGS = (
    "FrameReferenceTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "TriggerTime",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
)
#: Tags that ``plan_slices`` and ``grid_remarks`` need.
GRID_TAGS: list[Any] = [
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfSlices",
    "SeriesType",
    "FrameOfReferenceUID",
    *_FRAME_TAGS,
]

#: Share of the slice distance by which a single distance may differ. Scanners round table positions, and distances
#: differ by 2.5 % in real series of several bed positions; a missing slice makes a difference of 100 %.
_SLICE_TOLERANCE = 0.1
#: Direction cosines of two digits have errors up to 0.005, and dot products of them up to about 0.015.
_COSINE_TOLERANCE = 0.02
#: Cosines with smaller errors have enough digits: they tell the normal of the slices.
_EXACT_COSINES = 1e-4


@dataclass(frozen=True)
class SlicePlan:
    """Order and grid of the slices.

    Args:
        order: indices that sort the slices along their normal.
        grid: grid of the sorted slices.
    """

    order: list[int]
    grid: Grid


def plan_slices(slices: Sequence[Dataset]) -> SlicePlan:
    """Checks that the slices fill a regular grid.

    Args:
        slices: headers with at least ``GRID_TAGS``, in any order.

    Raises:
        UnsupportedVolumeError: a tag is missing or wrong, or the slices do not form one volume; the message says why.
    """
    if len(slices) < 2:
        raise UnsupportedVolumeError("The PET series has only one slice. Give the whole series.")
    planes = np.array(
        [
            np.concatenate(
                [
                    _numbers(header, "ImageOrientationPatient", 6),
                    _numbers(header, "PixelSpacing", 2),
                    _numbers(header, "Rows", 1),
                    _numbers(header, "Columns", 1),
                ]
            )
            for header in slices
        ]
    )
    positions = np.array([_numbers(header, "ImagePositionPatient", 3) for header in slices])
    if not np.allclose(planes, planes[0], atol=1e-4):
        raise UnsupportedVolumeError(
            "The slices of the PET series differ in orientation, pixel spacing or size. Give the slices of one volume."
        )
    down, across, rows, columns = planes[0, 6:]
    if min(down, across) <= 0 or min(rows, columns) < 1:
        raise UnsupportedVolumeError(
            f"PixelSpacing of the PET series is {down:g} and {across:g} mm, Rows is {rows:g} and Columns {columns:g}, "
            "but all must be positive. Export the series again."
        )
    axes = _axes(planes[0, :6], positions)
    normal = axes[:, 2]
    heights = positions @ normal
    order = np.argsort(heights)
    steps = np.diff(heights[order])
    spacing = float(np.median(steps))
    if steps.min() < 1e-3:
        raise UnsupportedVolumeError(
            f"{int(np.count_nonzero(steps < 1e-3))} slices of the PET series have the position of another slice "
            "(a dynamic or gated scan?). Give the slices of one frame only."
        )
    _require_one_frame([slices[n] for n in order])
    if np.abs(steps - spacing).max() > _SLICE_TOLERANCE * spacing:
        raise UnsupportedVolumeError(
            f"Slices of the PET series are missing or unevenly spaced: their distances are {steps.min():.3g} to "
            f"{steps.max():.3g} mm, usually {spacing:.3g} mm. Export the whole series again, or resample it."
        )
    offsets = positions - positions[order[0]]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1).max()
    if sideways > _SLICE_TOLERANCE * min(down, across):
        raise UnsupportedVolumeError(
            f"The slices of the PET series are shifted sideways by up to {sideways:.3g} mm. Resample the series first."
        )
    mean_step = float(heights[order[-1]] - heights[order[0]]) / (len(slices) - 1)
    direction_x, direction_y, direction_z = axes.tolist()
    grid = Grid(
        size_ijk=(int(columns), int(rows), len(slices)),
        spacing_mm=(float(across), float(down), mean_step),
        origin_lps=tuple(positions[order[0]].tolist()),
        direction=(tuple(direction_x), tuple(direction_y), tuple(direction_z)),
    )
    return SlicePlan(order.tolist(), grid)


def grid_remarks(slices: Sequence[Dataset]) -> list[str]:
    """Sentences for the user about what contradicts itself in the slices of a readable series."""
    remarks = []
    said = header_number(slices[0], "NumberOfSlices")
    if said is not None and said > len(slices):
        remarks.append(
            f"NumberOfSlices says {said:.0f}, but the folder holds {len(slices)} slices of the PET series. If the "
            "series was not cut on purpose, export it again."
        )
    frames = {str(header_value(header, "FrameOfReferenceUID")) for header in slices}
    if len(frames) > 1:
        remarks.append(
            f"The slices of the PET series have {len(frames)} values of FrameOfReferenceUID, so they may not lie in "
            "one coordinate system. Their positions are taken as they are."
        )
    return remarks


def _numbers(header: Dataset, keyword: str, count: int) -> NDArray[np.float64]:
    value = header_value(header, keyword)
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not (np.abs(numbers) < 1e6).all():
        raise UnsupportedVolumeError(
            f"A slice of the PET series has no usable geometry: its {keyword} is {value}. Export the series again."
        )
    return numbers


def _axes(cosines: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns orthonormal axes as columns: along a row, along a column, normal.

    Cosines of few digits are not orthonormal and do not tell the normal well. Then the line through the positions of
    the slices counts as the normal, and the axes in the plane are the nearest orthonormal ones.
    """
    in_plane = cosines.reshape(2, 3).T
    error = np.abs(in_plane.T @ in_plane - np.eye(2)).max()
    if error > _COSINE_TOLERANCE:
        raise UnsupportedVolumeError(
            f"ImageOrientationPatient of the PET series is {cosines.tolist()}, but must be two perpendicular vectors "
            "of length 1. Export the series again."
        )
    normal = np.cross(in_plane[:, 0], in_plane[:, 1])
    normal /= np.linalg.norm(normal)
    if error > _EXACT_COSINES:
        heights = positions @ normal
        line = positions[int(np.argmax(heights))] - positions[int(np.argmin(heights))]
        length = float(np.linalg.norm(line))
        if length > 0 and np.linalg.norm(line / length - normal) < _COSINE_TOLERANCE:
            normal = line / length
    in_plane = in_plane - np.outer(normal, normal @ in_plane)
    left, _, right = np.linalg.svd(in_plane, full_matrices=False)
    return np.column_stack([left @ right, normal])


def _require_one_frame(slices: Sequence[Dataset]) -> None:
    """Refuses several frames of a dynamic or gated scan: their slices lie between each other.

    Args:
        slices: headers, sorted along their normal.
    """
    several = bool({"DYNAMIC", "GATED"} & set(np.atleast_1d(header_value(slices[0], "SeriesType") or "").tolist()))
    per_frame = header_number(slices[0], "NumberOfSlices")
    if several and per_frame is not None and len(slices) > per_frame > 0:
        raise UnsupportedVolumeError(
            f"The dynamic or gated PET series has {len(slices)} slices, but NumberOfSlices says that a frame has "
            f"{per_frame:.0f}. Give the slices of one frame only."
        )
    turns = 0 if several else 2  # where bed positions overlap, their slices may take turns
    for keyword in _FRAME_TAGS:
        values = [str(header_value(header, keyword)) for header in slices]
        changes = sum(a != b for a, b in pairwise(values))
        groups = len(set(values))
        if changes > groups - 1 + turns:
            raise UnsupportedVolumeError(
                f"The slices of the PET series belong to {groups} frames that lie between each other: {keyword} "
                f"changes {changes} times from the first to the last slice (a dynamic or gated scan?). Give the "
                "slices of one frame only."
            )
