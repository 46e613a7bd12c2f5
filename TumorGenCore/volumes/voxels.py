"""Reading voxels of a SimpleITK image without copying all of it.

A shallow copy of an image shares its voxels until NumPy looks at either: then SimpleITK copies the whole volume. What
is read here leaves them shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import SimpleITK as sitk
from numpy.typing import NDArray

__all__ = ["read_region", "read_slabs"]

#: Voxels of a slab: few enough to stay in the processor's cache.
_SLAB_VOXELS = 500_000


def read_region(image: sitk.Image, start_ijk: Sequence[int], size_ijk: Sequence[int]) -> NDArray:
    """Copy a region's voxels.

    Args:
        image: 3D scalar.
        start_ijk: first voxel; the region must lie within the image.
        size_ijk: voxels along i, j, k.

    Returns:
        (k, j, i), in the image's pixel type.
    """
    region = sitk.RegionOfInterest(image, [int(n) for n in size_ijk], [int(n) for n in start_ijk])
    return sitk.GetArrayFromImage(region)


def read_slabs(image: sitk.Image) -> Iterator[tuple[int, NDArray]]:
    """Go through all voxels of a 3D image in slabs.

    Do not write to a slab, and do not keep it when you ask for the next one.

    Yields:
        k of the slab's first slice, and the slab, (k, j, i).
    """
    i, j, k = image.GetSize()
    thickness = max(1, _SLAB_VOXELS // (i * j))
    whole = sitk.GetArrayViewFromImage(image) if image.IsUnique() else None
    for first in range(0, k, thickness):
        last = min(first + thickness, k)
        yield first, read_region(image, (0, 0, first), (i, j, last - first)) if whole is None else whole[first:last]
