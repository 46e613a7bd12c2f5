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
    """A copy of a region's voxels, (k, j, i), in the image's pixel type; the region must lie within the image."""
    region = sitk.RegionOfInterest(image, [int(n) for n in size_ijk], [int(n) for n in start_ijk])
    return sitk.GetArrayFromImage(region)


def read_slabs(image: sitk.Image) -> Iterator[tuple[int, NDArray]]:
    """All voxels of a 3D image in order: k of each slab's first slice, and the slab, (k, j, i).

    A slab is to be read only, and only until the next one.
    """
    i, j, k = image.GetSize()
    thickness = max(1, _SLAB_VOXELS // (i * j))
    whole = sitk.GetArrayViewFromImage(image) if image.IsUnique() else None
    for first in range(0, k, thickness):
        last = min(first + thickness, k)
        yield first, read_region(image, (0, 0, first), (i, j, last - first)) if whole is None else whole[first:last]
