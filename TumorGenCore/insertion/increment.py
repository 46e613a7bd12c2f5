"""The increment of a synthetic volume: after minus before.

It is a difference of images. Tools that work on projections can project it and add it to a scan's raw data. It models
no effect of the reconstruction itself, such as the correlation of noise or scatter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.volumes.voxels import read_region

if TYPE_CHECKING:
    from TumorGenCore.insertion.tumor import Tumor

__all__ = ["INCREMENT_UNITS", "IncrementUnits", "increment_between", "increment_of"]

#: ``suv``, or ``scan`` for the scan's own units.
IncrementUnits = Literal["suv", "scan"]
INCREMENT_UNITS: tuple[IncrementUnits, ...] = get_args(IncrementUnits)


def increment_of(tumors: Sequence[Tumor], units: IncrementUnits = "suv") -> sitk.Image:
    """Returns what tumors changed, on the scan's grid, zero outside their boxes; negative where tissue fell.

    Args:
        tumors: in the order of insertion; the first was inserted in the scan itself.
        units: ``suv``: float32 SUV. ``scan``: float64 in the scan's own units; the scan plus this increment, converted
            to the scan's voxel type, is the synthetic image (exactly, except for integers beyond 2^53).

    Raises:
        InvalidRequestError: there are no such units.
    """
    scan = tumors[0].prepared
    whole = np.zeros(scan.grid.size_ijk[::-1], dtype=_scale(units, 1.0)[1])
    for tumor in tumors:  # the block of a later tumor holds the earlier ones too
        start, after = tumor.pasted.start_ijk, tumor.pasted.voxels
        before = read_region(scan.image, start, after.shape[::-1])
        block = tuple(slice(a, a + n) for a, n in zip(start[::-1], after.shape, strict=True))
        whole[block] = increment_between(before, after, scan.units.suv_factor, units)
    return scan.grid.image_from_array(whole)


def increment_between(before: NDArray, after: NDArray, suv_factor: float, units: IncrementUnits = "suv") -> NDArray:
    """Returns what changed between voxels (k, j, i) of a scan before and after; see ``increment_of``.

    Args:
        before: voxels of the scan, in its type and units.
        after: the same voxels with tumors, in the same type and units.
        suv_factor: factor from them to SUV.
        units: ``suv`` or ``scan``.

    Raises:
        InvalidRequestError: there are no such units.
    """
    factor, kind = _scale(units, suv_factor)
    change = after.astype(np.float64)
    change -= before
    change *= factor
    return change.astype(kind, copy=False)


def _scale(units: IncrementUnits, suv_factor: float) -> tuple[float, type[np.floating]]:
    """Returns the factor to the units of an increment, and the type of its voxels."""
    if units not in INCREMENT_UNITS:
        raise InvalidRequestError(f"The increment's units are {units!r}; use 'suv' or 'scan'.")
    return (suv_factor, np.float32) if units == "suv" else (1.0, np.float64)
