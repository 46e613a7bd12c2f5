"""The CT as a second channel: nnU-Net and MONAI need both channels on one grid.

A CT on another grid is resampled on the grid of the PET, as the data of autoPET come (``CTres``). The PET is never
resampled, because the mask lies on its grid.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.integrity import read_checked
from TumorGenCore.volumes.write import write_volume

__all__ = ["on_grid_of", "same_grid"]

#: Share of the shortest voxel edge by which corners of equal grids may differ: NIfTI rounds to 32 bits.
_TOLERANCE = 0.01
#: Value outside the field of view of the CT, HU.
_AIR_HU = -1024


def same_grid(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels, except for rounding."""
    if one.size_ijk != other.size_ijk:
        return False
    off = float(np.abs(one.corners_lps - other.corners_lps).max())
    return off <= _TOLERANCE * min(other.spacing_mm)


def on_grid_of(pet: Path, ct: Path, output: Path) -> bool:
    """Writes a CT on the grid of a PET, unless it lies there already and is a .nii.gz.

    Linear interpolation without smoothing; -1024 HU outside the CT; the voxel type stays.

    Args:
        pet: file of the PET.
        ct: file of the CT.
        output: .nii.gz to write.

    Returns:
        Whether it was resampled or converted; False writes nothing, because ``ct`` can be taken as it is.

    Raises:
        UnsupportedVolumeError: a file cannot be read.
        OSError: the file cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run said what is odd about the files
        grid, image = Grid.from_image(read_checked(pet)), read_checked(ct)
    if same_grid(Grid.from_image(image), grid):
        if ct.name.lower().endswith(".nii.gz"):
            return False
        grid.stamp(image)
    else:
        signed = image.GetPixelID() not in (sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkUInt32, sitk.sitkUInt64)
        air = _AIR_HU if signed and image.GetPixelID() != sitk.sitkInt8 else 0
        image = sitk.Resample(
            image, grid.empty_image(image.GetPixelID()), sitk.Transform(), sitk.sitkLinear, air, image.GetPixelID()
        )
    write_volume(image, output)
    return True
