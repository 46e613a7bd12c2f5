"""A box on a scan, prepared once for all tumors that are grown in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.insertion.engine import EncodedBox
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch
from TumorGenCore.volumes.suv import PetUnits, units_of_image
from TumorGenCore.volumes.volume import PetVolume, check_volume
from TumorGenCore.volumes.voxels import read_region

__all__ = ["PlacedBox", "PreparedBox", "place_box", "tissue_suv"]

#: Lowest SUV of tissue; below is air.
LEAST_TISSUE_SUV = 0.2


@dataclass(frozen=True)
class PlacedBox:
    """A checked volume and box, and the working patch around the box."""

    image: sitk.Image
    grid: Grid
    units: PetUnits
    box: Box
    patch: WorkingPatch

    @cached_property
    def highest_suv(self) -> float:
        """Highest SUV that the voxel type of the scan can hold; infinite for floats."""
        voxel_type = self.voxel_type
        return float(np.iinfo(voxel_type).max * self.units.suv_factor) if voxel_type.kind in "iu" else math.inf

    @property
    def voxel_type(self) -> np.dtype:
        """Type of the scan's voxels."""
        return read_region(self.image, (0, 0, 0), (1, 1, 1)).dtype


@dataclass(frozen=True)
class PreparedBox(PlacedBox):
    """All data of a box that do not depend on the seed.

    Args:
        encoded: input of the networks for the box.
        tissue_suv: median SUV of the tissue around the box.
        input_hash: returns the hash of the volume; the first call computes it.
        warnings: warnings for the user, in plain words.
        seconds: time of each part of the preparation.
    """

    encoded: EncodedBox
    tissue_suv: float
    input_hash: Callable[[], str]
    warnings: tuple[str, ...]
    seconds: dict[str, float] = field(default_factory=dict)

    @cached_property
    def original_suv(self) -> NDArray[np.float32]:
        """D(z_1) in SUV, (k, j, i) of the patch."""
        original: NDArray[np.float32] = self.encoded.original_suv[0, 0].cpu().numpy()
        return original


def place_box(
    image: sitk.Image | PetVolume, box: Box, settings: PatchSettings, suv_factor: float | None = None
) -> PlacedBox:
    """Checks volume and box, and puts the working patch around the box; it needs no network.

    Raises:
        UnsupportedVolumeError, InvalidBoxError: volume or box cannot be used.
    """
    source, units, grid = _checked(image, suv_factor)
    patch = WorkingPatch.around(box.canonical(), settings)
    if not box.holds_voxels(grid):
        raise InvalidBoxError(
            f"The box at {tuple(round(c, 1) for c in box.center_lps)} mm (LPS) holds no voxel of the volume; "
            "move it onto the image. A common cause is coordinates in RAS instead of LPS."
        )
    # A shallow copy, so that later changes of the image by the caller do not reach this box.
    return PlacedBox(sitk.Image(source), grid, units, box, patch)


def tissue_suv(suv: NDArray, inside: NDArray) -> float:
    """Median SUV of the tissue outside the box; 0 if there is none.

    Args:
        suv: the working patch, (k, j, i).
        inside: share of each voxel inside the box, same shape.
    """
    tissue = suv[(inside == 0) & (suv > LEAST_TISSUE_SUV)]
    return float(np.median(tissue)) if tissue.size else 0.0


def _checked(image: sitk.Image | PetVolume, suv_factor: float | None) -> tuple[sitk.Image, PetUnits, Grid]:
    """Returns the checked volume with its units and grid; a ``PetVolume`` is already checked."""
    if not isinstance(image, PetVolume):
        grid = check_volume(image)
        return image, units_of_image(image, suv_factor), grid
    units = image.units if suv_factor is None else units_of_image(image.image, suv_factor)
    return image.image, units, Grid.from_image(image.image)
