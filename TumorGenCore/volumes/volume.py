"""A PET volume that was checked once, so that the rest of the core never checks it again.

Metadata keys of an image can hold a person's name, and the voxels do not need them: ``without_metadata`` drops them.
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

    The constructor checks the image, and nobody checks it again; do not change it afterwards.

    Args:
        image: 3D, in its native pixel type.
        units: what its values are, and the factor to SUV.

    Raises:
        UnsupportedVolumeError: see ``check_volume``.
    """

    image: sitk.Image
    units: PetUnits

    def __post_init__(self) -> None:
        check_volume(self.image)


def check_volume(image: sitk.Image) -> Grid:
    """Check that an image is a volume TumorGen can use, and return its grid.

    Raises:
        UnsupportedVolumeError: not 3D, vector or complex pixels, broken geometry, NaN or Inf.
    """
    if image.GetPixelID() not in _PIXEL_TYPES:
        raise UnsupportedVolumeError(
            f"The pixel type is {image.GetPixelIDTypeAsString()} with {image.GetNumberOfComponentsPerPixel()} "
            "components; TumorGen needs one real number per voxel. Extract one component first."
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
            f"{wrong} voxels are NaN or Inf, the first at ijk {first_ijk}; replace them by numbers first."
        )


def without_metadata(image: sitk.Image) -> sitk.Image:
    """Copy a 3D scalar image without its metadata keys; SimpleITK images that share voxels share their keys too."""
    return Grid.from_image(image).image_from_array(sitk.GetArrayViewFromImage(image))
