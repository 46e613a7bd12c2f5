"""Reads voxels of a SimpleITK image without copying the whole image.

A shallow copy of an image shares its voxels until NumPy accesses one of the two; then SimpleITK copies the whole
volume. The functions here keep the voxels shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import SimpleITK as sitk
from numpy.typing import NDArray

__all__ = ["read_region", "read_slabs"]

#: Voxels of a slab, few enough for the cache of the processor.
_SLAB_VOXELS = 500_000


def read_region(image: sitk.Image, start_ijk: Sequence[int], size_ijk: Sequence[int]) -> NDArray:
    """Copies the voxels of a region.

    Args:
        image: 3D scalar image.
        start_ijk: first voxel; the region must lie within the image.
        size_ijk: voxels along i, j, k.

    Returns:
        Array (k, j, i) in the pixel type of the image.
    """
    region = sitk.RegionOfInterest(image, [int(n) for n in size_ijk], [int(n) for n in start_ijk])
    return sitk.GetArrayFromImage(region)


def read_slabs(image: sitk.Image) -> Iterator[tuple[int, NDArray]]:
    """Goes through all voxels of a 3D image in slabs.

    Do not write to a slab, and do not keep it after you ask for the next one.

    Yields:
        The k of the first slice of the slab, and the slab as an array (k, j, i).
    """
    i, j, k = image.GetSize()
    thickness = max(1, _SLAB_VOXELS // (i * j))
    whole = sitk.GetArrayViewFromImage(image) if image.IsUnique() else None
    for first in range(0, k, thickness):
        last = min(first + thickness, k)
        yield first, read_region(image, (0, 0, first), (i, j, last - first)) if whole is None else whole[first:last]
