"""A folder's DICOM PET series as one volume: which files belong to it, and in which order its slices lie."""

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

#: Share of the slice distance by which single distances may differ: table positions are rounded, and where bed
#: positions were joined real series differ by 2.5 %; a missing slice differs by 100 %.
_SLICE_TOLERANCE = 0.1


def read_dicom_series(folder: Path, suv_factor: float | None) -> PetVolume:
    """Read the folder's one PET series as a volume, float32, each slice rescaled by its own slope.

    Args:
        folder: may hold other DICOM objects too; those are skipped.
        suv_factor: SUV per unit of rescaled voxel value; None takes it from the tags.

    Warns:
        UnknownUnitsWarning: the values do not look like SUV.

    Raises:
        UnsupportedVolumeError: see ``pet_series`` and ``units_from_dicom``, or ITK cannot read the files.
    """
    paths, slices = pet_series(folder)
    units = units_from_dicom(slices, suv_factor)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    # Each slice has its own rescale slope; ITK would otherwise take the pixel type from the first and truncate others.
    reader.SetOutputPixelType(sitk.sitkFloat32)
    warned = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # the slice distances were checked, with a tolerance that fits
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnsupportedVolumeError(
            f"The PET series in {folder} cannot be read: {itk_reason(error)} Export it again."
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warned)
    check_volume(image)
    image = without_metadata(image)
    warn_if_implausible(image, units)
    return PetVolume(image, units)


def pet_series(folder: Path) -> tuple[list[Path], list[Dataset]]:
    """Find the files of the folder's one PET series, and sort them along the slice normal. Others are skipped.

    Returns:
        Paths and headers, in the same order. A header has the tags that geometry and SUV need, and no others.

    Raises:
        UnsupportedVolumeError: no series or several, or slices that do not fill a regular grid.
    """
    import pydicom  # here, so that the module loads quickly and without pydicom for the other formats

    series: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    others: Counter[str] = Counter()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_SERIES_TAGS)
        except pydicom.errors.InvalidDicomError:
            continue
        if header.get("SOPClassUID") == _ENHANCED_PET_IMAGE_STORAGE:
            raise UnsupportedVolumeError(f"{folder} holds Enhanced PET (multi-frame) DICOM; convert it to NRRD first.")
        if header.get("SOPClassUID") == _PET_IMAGE_STORAGE:
            series[str(header.get("SeriesInstanceUID"))].append((path, header))
        else:
            others[str(header.get("Modality") or "without a modality")] += 1
    if not series:
        found = ", ".join(f"{count} {modality}" for modality, count in sorted(others.items())) or "none"
        raise UnsupportedVolumeError(
            f"{folder} holds no DICOM PET slices (other DICOM objects: {found}); give the folder of the PET series."
        )
    if len(series) > 1:
        counts = " and ".join(str(len(members)) for members in series.values())
        raise UnsupportedVolumeError(
            f"{folder} holds {len(series)} PET series, of {counts} slices; give a folder with one of them."
        )
    (members,) = series.values()
    order = _slice_order([header for _, header in members])
    return [members[n][0] for n in order], [members[n][1] for n in order]


def _slice_order(slices: Sequence[Dataset]) -> list[int]:
    """Indices that sort the slices along their normal, after checking that they fill a regular grid."""
    if len(slices) < 2:
        raise UnsupportedVolumeError("The PET series has one slice only; a volume is needed.")
    try:
        planes = np.array(
            [[*s.ImageOrientationPatient, *s.PixelSpacing, s.Rows, s.Columns] for s in slices], dtype=np.float64
        )
        positions = np.array([s.ImagePositionPatient for s in slices], dtype=np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise UnsupportedVolumeError(
            f"A slice of the PET series lacks its geometry ({error}); export the series again."
        ) from error
    if not np.allclose(planes, planes[0], atol=1e-4):
        raise UnsupportedVolumeError(
            "The slices of the PET series differ in orientation, pixel spacing or size; give one volume's slices only."
        )
    normal = np.cross(planes[0, :3], planes[0, 3:6])
    heights = positions @ normal
    order = np.argsort(heights)
    steps = np.diff(heights[order])
    spacing = float(np.median(steps))
    if steps.min() < 1e-3:
        raise UnsupportedVolumeError(
            f"{int(np.count_nonzero(steps < 1e-3))} slices of the PET series lie in the place of another "
            "(a dynamic or gated scan?); give one frame's slices only."
        )
    if np.abs(steps - spacing).max() > _SLICE_TOLERANCE * spacing:
        raise UnsupportedVolumeError(
            f"Slices of the PET series are missing or unevenly spaced: distances of {steps.min():.3g} to "
            f"{steps.max():.3g} mm where {spacing:.3g} mm is usual. Export the whole series again, or resample it."
        )
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1).max()
    if sideways > _SLICE_TOLERANCE * planes[0, 6:8].min():
        raise UnsupportedVolumeError(
            f"The slices of the PET series are shifted sideways by up to {sideways:.3g} mm; resample the series first."
        )
    return order.tolist()
