"""A checked PET volume, which the rest of the core does not check again.

Metadata keys of an image can hold a person's name and are not needed, so ``without_metadata`` drops them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.voxels import read_slabs

__all__ = ["PetVolume", "check_volume", "without_metadata"]

_FLOATING_TYPES = {sitk.sitkFloat32, sitk.sitkFloat64}
_PIXEL_TYPES = _FLOATING_TYPES | {
    sitk.sitkUInt8,
    sitk.sitkInt8,
    sitk.sitkUInt16,
    sitk.sitkInt16,
    sitk.sitkUInt32,
    sitk.sitkInt32,
    sitk.sitkUInt64,
    sitk.sitkInt64,
}


@dataclass(frozen=True)
class PetVolume:
    """A checked PET volume: 3D, scalar, finite, in its native pixel type and units.

    Only the constructor checks the image, so do not change the image afterwards.

    Args:
        image: 3D image in its native pixel type.
        units: units of the voxel values, and the factor to SUV.
        remarks: sentences for the user about what is odd in the file, and what was taken; without its name.

    Raises:
        UnsupportedVolumeError: see ``check_volume``.
    """

    image: sitk.Image
    units: PetUnits
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_volume(self.image)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of reading: about the file, then about its units."""
        return (*self.remarks, *self.units.remarks)


def check_volume(image: sitk.Image) -> Grid:
    """Checks that TumorGen can use an image as a volume, and returns its grid.

    Raises:
        UnsupportedVolumeError: the image is not 3D, or has vector or complex pixels, broken geometry, NaN or Inf.
    """
    if image.GetPixelID() not in _PIXEL_TYPES:
        raise UnsupportedVolumeError(
            f"The pixel type is {image.GetPixelIDTypeAsString()} with {image.GetNumberOfComponentsPerPixel()} "
            "components, but TumorGen needs one real number per voxel. Extract one component first."
        )
    grid = Grid.from_image(image)
    if image.GetPixelID() in _FLOATING_TYPES:
        _require_finite(image)
    return grid


def _require_finite(image: sitk.Image) -> None:
    wrong = 0
    first_ijk = None
    for first, slab in read_slabs(image):
        finite = np.isfinite(slab)
        if finite.all():
            continue
        wrong += finite.size - int(np.count_nonzero(finite))
        if first_ijk is None:
            k, j, i = np.unravel_index(int(np.argmin(finite)), finite.shape)
            first_ijk = (int(i), int(j), first + int(k))
    if wrong:
        raise UnsupportedVolumeError(
            f"{wrong} voxels are NaN or Inf, the first at ijk {first_ijk}. Replace them by numbers first."
        )


def without_metadata(image: sitk.Image) -> sitk.Image:
    """Copies a 3D scalar image without its metadata keys; SimpleITK images that share voxels also share their keys."""
    return Grid.from_image(image).image_from_array(sitk.GetArrayViewFromImage(image))
