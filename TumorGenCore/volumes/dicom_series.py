"""Reads the DICOM PET series of a folder as one volume."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.errors import UnknownUnitsWarning, UnsupportedVolumeError, VolumeWarning
from TumorGenCore.volumes.dicom_files import class_remarks, find_pet_files
from TumorGenCore.volumes.dicom_grid import GRID_TAGS, grid_remarks, plan_slices
from TumorGenCore.volumes.dicom_pixels import PIXEL_TAGS, rescaled_pixels
from TumorGenCore.volumes.suv import SUV_TAGS, checked_units, units_from_dicom
from TumorGenCore.volumes.volume import PetVolume

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["pet_series", "read_dicom_series"]


def read_dicom_series(folder: Path, suv_factor: float | None) -> PetVolume:
    """Reads the only PET series of a folder as a float32 volume; each slice is rescaled by its own slope.

    Args:
        folder: folder of the series; other DICOM objects in it are skipped.
        suv_factor: SUV per unit of rescaled voxel value; None takes the factor from the tags.

    Warns:
        UnknownUnitsWarning: the values do not look like SUV, or tags of the SUV factor contradict each other.
        VolumeWarning: the series may be incomplete.

    Raises:
        UnsupportedVolumeError: the files cannot be read, or see ``pet_series`` and ``units_from_dicom``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of pydicom may quote a person's tags
        members = find_pet_files(folder, [*GRID_TAGS, *SUV_TAGS, *PIXEL_TAGS])
        headers = [header for _, header in members]
        plan = plan_slices(headers)
        remarks = [*class_remarks(headers), *grid_remarks(headers)]
        units = units_from_dicom(headers, suv_factor)
        values = _voxels([members[n] for n in plan.order])
    image = plan.grid.image_from_array(values)
    volume = PetVolume(image, checked_units(units, image), tuple(remarks))
    for remark in volume.remarks:
        warnings.warn(remark, VolumeWarning, stacklevel=3)
    for remark in volume.units.remarks:
        warnings.warn(remark, UnknownUnitsWarning, stacklevel=3)
    return volume


def _voxels(members: Sequence[tuple[Path, Dataset]]) -> NDArray[np.float32]:
    """Decodes sorted slices into an array (k, j, i); removes their coded pixels from memory on the way."""
    values = None
    for k, (path, header) in enumerate(members):
        voxels = rescaled_pixels(header, path.name)
        del header.PixelData
        if values is None:  # only now, because a damaged header can claim any size
            values = _empty((len(members), *voxels.shape))
        values[k] = voxels
    assert values is not None  # plan_slices refuses less than two slices
    return values


def _empty(shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        return np.empty(shape, dtype=np.float32)
    except MemoryError as error:
        raise UnsupportedVolumeError(
            f"The PET series has {' x '.join(map(str, shape))} voxels and does not fit into memory. Use a computer "
            "with more memory, or a smaller series."
        ) from error


def pet_series(source: Path | Sequence[Path], tags: Sequence[Any] = ()) -> tuple[list[Path], list[Dataset]]:
    """Finds the files of the only PET series in a folder and sorts them along the slice normal; skips other files.

    Args:
        source: folder of the series, or its files.
        tags: tags to read beside those for the grid.

    Returns:
        Paths and headers, in the same order. A header has no tags but these.

    Raises:
        UnsupportedVolumeError: there is no series or several, a file is damaged, or the slices do not fill a regular
            grid.
    """
    members = find_pet_files(source, [*GRID_TAGS, *tags])
    order = plan_slices([header for _, header in members]).order
    return [members[n][0] for n in order], [members[n][1] for n in order]
