"""A checked box on a scan, and its surroundings; no network is needed for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.insertion.targets import highest_suv
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits, units_of_image
from TumorGenCore.volumes.volume import PetVolume, check_volume
from TumorGenCore.volumes.voxels import read_region

__all__ = ["PlacedBox", "place_box", "tissue_suv"]

#: Lowest SUV of tissue; below is air.
LEAST_TISSUE_SUV = 0.2


@dataclass(frozen=True)
class PlacedBox:
    """A checked volume and box, and the working patch around the box.

    Args:
        image: the scan, in its pixel type and units.
        grid: its grid.
        units: its units.
        remarks: sentences for the user about what was odd in its file.
        box: the box.
        patch: the working patch.
    """

    image: sitk.Image
    grid: Grid
    units: PetUnits
    remarks: tuple[str, ...]
    box: Box
    patch: WorkingPatch

    @property
    def highest_suv(self) -> float:
        """Highest SUV that the voxel type of the scan can hold; infinite for floats."""
        return highest_suv(self.voxel_type, self.units.suv_factor)

    @property
    def voxel_type(self) -> np.dtype:
        """Type of the scan's voxels."""
        return read_region(self.image, (0, 0, 0), (1, 1, 1)).dtype

    def sampled_suv(self) -> NDArray[np.float32]:
        """SUV of the scan on the working patch, (k, j, i)."""
        return self.patch.sample(self.image) * np.float32(self.units.suv_factor)


def place_box(
    image: sitk.Image | PetVolume, box: Box, settings: PatchSettings, suv_factor: float | None = None
) -> PlacedBox:
    """Checks volume and box, and puts the working patch around the box; it needs no network.

    Raises:
        UnsupportedVolumeError, InvalidBoxError: volume or box cannot be used.
    """
    source, units, remarks = _checked(image, suv_factor)
    grid = Grid.from_image(source)
    patch = WorkingPatch.around(box.canonical(), settings)
    if not box.holds_voxels(grid):
        raise InvalidBoxError(
            f"The box at {tuple(round(c, 1) for c in box.center_lps)} mm (LPS) holds no voxel of the volume; "
            "move it onto the image. A common cause is coordinates in RAS instead of LPS."
        )
    # A shallow copy, so that later changes of the image by the caller do not reach this box.
    return PlacedBox(sitk.Image(source), grid, units, remarks, box, patch)


def tissue_suv(suv: NDArray, inside: NDArray) -> float:
    """Median SUV of the tissue outside the box; 0 if there is none.

    Args:
        suv: the working patch, (k, j, i).
        inside: share of each voxel inside the box, same shape.
    """
    tissue = suv[(inside == 0) & (suv > LEAST_TISSUE_SUV)]
    return float(np.median(tissue)) if tissue.size else 0.0


def _checked(image: sitk.Image | PetVolume, suv_factor: float | None) -> tuple[sitk.Image, PetUnits, tuple[str, ...]]:
    """Returns the checked volume with its units and remarks; a ``PetVolume`` is already checked."""
    if not isinstance(image, PetVolume):
        check_volume(image)
        return image, units_of_image(image, suv_factor), ()
    units = image.units if suv_factor is None else units_of_image(image.image, suv_factor)
    return image.image, units, image.remarks
