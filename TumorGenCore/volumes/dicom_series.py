"""Reads the DICOM PET series of a folder as one volume: finds its files and sorts its slices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.itk_errors import itk_reason
from TumorGenCore.volumes.suv import SUV_TAGS, units_from_dicom, warn_if_implausible
from TumorGenCore.volumes.volume import PetVolume, check_volume, without_metadata

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["pet_series", "read_dicom_series"]

_PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
_ENHANCED_PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.130"
_SERIES_TAGS: list[Any] = [
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    *SUV_TAGS,
]

#: Share of the slice distance by which a single distance may differ. Scanners round table positions, and distances
#: differ by 2.5 % in real series of several bed positions; a missing slice makes a difference of 100 %.
_SLICE_TOLERANCE = 0.1


def read_dicom_series(folder: Path, suv_factor: float | None) -> PetVolume:
    """Reads the only PET series of a folder as a float32 volume; each slice is rescaled by its own slope.

    Args:
        folder: folder of the series; other DICOM objects in it are skipped.
        suv_factor: SUV per unit of rescaled voxel value; None takes the factor from the tags.

    Warns:
        UnknownUnitsWarning: the values do not look like SUV.

    Raises:
        UnsupportedVolumeError: ITK cannot read the files, or see ``pet_series`` and ``units_from_dicom``.
    """
    paths, slices = pet_series(folder)
    units = units_from_dicom(slices, suv_factor)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    # Each slice has its own rescale slope. By default, ITK takes the pixel type of the first slice and truncates the
    # values of others.
    reader.SetOutputPixelType(sitk.sitkFloat32)
    warned = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # slice distances are checked already, with a better tolerance
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnsupportedVolumeError(
            f"The PET series in {folder} cannot be read: {itk_reason(error)} Export the series again."
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warned)
    check_volume(image)
    image = without_metadata(image)
    warn_if_implausible(image, units)
    return PetVolume(image, units)


def pet_series(folder: Path) -> tuple[list[Path], list[Dataset]]:
    """Finds the files of the only PET series in a folder and sorts them along the slice normal; skips other files.

    Returns:
        Paths and headers, in the same order. A header has only the tags for geometry and SUV.

    Raises:
        UnsupportedVolumeError: there is no series or several, or the slices do not fill a regular grid.
    """
    import pydicom  # here, so that other formats load quickly and without pydicom

    series: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    others: Counter[str] = Counter()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_SERIES_TAGS)
        except pydicom.errors.InvalidDicomError:
            continue
        if header.get("SOPClassUID") == _ENHANCED_PET_IMAGE_STORAGE:
            raise UnsupportedVolumeError(f"{folder} holds Enhanced PET (multi-frame) DICOM. Convert it to NRRD first.")
        if header.get("SOPClassUID") == _PET_IMAGE_STORAGE:
            series[str(header.get("SeriesInstanceUID"))].append((path, header))
        else:
            others[str(header.get("Modality") or "without a modality")] += 1
    if not series:
        found = ", ".join(f"{count} {modality}" for modality, count in sorted(others.items())) or "none"
        raise UnsupportedVolumeError(
            f"{folder} holds no DICOM PET slices (other DICOM objects: {found}). Give the folder of the PET series."
        )
    if len(series) > 1:
        counts = " and ".join(str(len(members)) for members in series.values())
        raise UnsupportedVolumeError(
            f"{folder} holds {len(series)} PET series, with {counts} slices. Give a folder with one of them."
        )
    (members,) = series.values()
    order = _slice_order([header for _, header in members])
    return [members[n][0] for n in order], [members[n][1] for n in order]


def _slice_order(slices: Sequence[Dataset]) -> list[int]:
    """Checks that the slices fill a regular grid, and returns the indices that sort them along their normal."""
    if len(slices) < 2:
        raise UnsupportedVolumeError("The PET series has only one slice. Give the whole series.")
    try:
        planes = np.array(
            [[*s.ImageOrientationPatient, *s.PixelSpacing, s.Rows, s.Columns] for s in slices], dtype=np.float64
        )
        positions = np.array([s.ImagePositionPatient for s in slices], dtype=np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise UnsupportedVolumeError(
            f"A slice of the PET series has no usable geometry ({error}). Export the series again."
        ) from error
    if not np.allclose(planes, planes[0], atol=1e-4):
        raise UnsupportedVolumeError(
            "The slices of the PET series differ in orientation, pixel spacing or size. Give the slices of one volume."
        )
    normal = np.cross(planes[0, :3], planes[0, 3:6])
    heights = positions @ normal
    order = np.argsort(heights)
    steps = np.diff(heights[order])
    spacing = float(np.median(steps))
    if steps.min() < 1e-3:
        raise UnsupportedVolumeError(
            f"{int(np.count_nonzero(steps < 1e-3))} slices of the PET series have the position of another slice "
            "(a dynamic or gated scan?). Give the slices of one frame only."
        )
    if np.abs(steps - spacing).max() > _SLICE_TOLERANCE * spacing:
        raise UnsupportedVolumeError(
            f"Slices of the PET series are missing or unevenly spaced: their distances are {steps.min():.3g} to "
            f"{steps.max():.3g} mm, usually {spacing:.3g} mm. Export the whole series again, or resample it."
        )
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1).max()
    if sideways > _SLICE_TOLERANCE * planes[0, 6:8].min():
        raise UnsupportedVolumeError(
            f"The slices of the PET series are shifted sideways by up to {sideways:.3g} mm. Resample the series first."
        )
    return order.tolist()
