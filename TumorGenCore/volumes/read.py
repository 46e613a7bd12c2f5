"""Reads PET volumes (NIfTI, NRRD, MHA, a folder with a DICOM series) and tumor masks.

This module checks every volume, so the rest of the core does not check it again.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.dicom_series import read_dicom_series
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.remarks import noted_warnings
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES, known_suffix
from TumorGenCore.volumes.suv import units_of_image
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["check_readable", "read_mask", "read_volume"]


def read_volume(path: str | os.PathLike[str], suv_factor: float | None = None) -> PetVolume:
    """Reads a PET volume from a file, or from the folder of a DICOM PET series.

    Args:
        path: .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd file, or a folder with one PET series. A 4D file may have one
            frame only.
        suv_factor: SUV per unit of voxel value. If None, the factor comes from the DICOM tags, and values of other
            files are taken as SUV.

    Warns:
        UnknownUnitsWarning: the file does not state its units, or the values do not look like SUV.
        VolumeWarning: the file is odd or contradicts itself; the message says what was taken (docs/reading.md).
            ``warnings`` of the volume has the same sentences, without the name of the file.

    Raises:
        UnsupportedVolumeError: the volume is missing, damaged or cannot be used; the message says what to do.
    """
    path = Path(path)
    if path.is_dir():
        return read_dicom_series(path, suv_factor)
    with noted_warnings(path) as remarks:
        image = _read_file(path)
    return PetVolume(image, units_of_image(image, suv_factor), tuple(remarks))


def read_mask(path: str | os.PathLike[str], grid: Grid) -> NDArray[np.bool_]:
    """Reads a mask file on a given grid.

    Args:
        path: a file as in ``read_volume``, or a Slicer segmentation (.seg.nrrd); all its segments count.
        grid: grid of the image that the mask belongs to.

    Returns:
        Booleans (k, j, i) of ``grid``: true if the label is above 0. If the file has another grid, the label of its
        nearest voxel counts.

    Raises:
        UnsupportedVolumeError: the file is missing, damaged or cannot be used; the message says what to do.
    """
    mask = _read_file(Path(path))
    on_grid = sitk.Resample(mask, grid.empty_image(sitk.sitkUInt8), sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayViewFromImage(on_grid) > 0


def _read_file(path: Path) -> sitk.Image:
    """Reads and checks the image of a file, without its metadata."""
    check_readable(path)
    return read_checked(path)


def check_readable(path: Path) -> None:
    """Checks that there is a file with a suffix that TumorGen reads.

    Raises:
        UnsupportedVolumeError: there is none.
    """
    if not path.is_file():
        raise UnsupportedVolumeError(f"There is no file or folder {path}. Check the path.")
    if known_suffix(path, READABLE_SUFFIXES) is None:
        raise UnsupportedVolumeError(
            f"{path.name} does not end in one of {', '.join(READABLE_SUFFIXES)}. For DICOM, give the folder of the "
            "series."
        )
