"""Mean SUV over spheres of 1 ml around the voxels of a tumor, as SUVpeak takes them (``lesions.measures``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.insertion.placed import PlacedBox
from TumorGenCore.lesions.extent import around
from TumorGenCore.lesions.measures import peak_sphere
from TumorGenCore.volumes.voxels import read_region

__all__ = ["SphereMeans"]


@dataclass(frozen=True)
class SphereMeans:
    """Means over spheres in a block of voxels. At its edges the spheres reach into the scan around it.

    Args:
        sphere: weights of the sphere, (k, j, i).
        suv: SUV of the scan: the block and what spheres reach around it, (k, j, i).
        block: slices of the block in ``suv``.
    """

    sphere: NDArray[np.float64]
    suv: NDArray[np.float64]
    block: tuple[slice, ...]

    @classmethod
    def around(cls, placed: PlacedBox, start_ijk: list[int], shape: tuple[int, ...]) -> SphereMeans:
        """Reads the surroundings of a block.

        Args:
            placed: the scan.
            start_ijk: first voxel of the block.
            shape: its shape, (k, j, i).
        """
        i, j, k = placed.grid.spacing_mm
        sphere = peak_sphere((i, j, k))
        reach, start, size = np.array(sphere.shape[::-1]) // 2, np.array(start_ijk), np.array(shape[::-1])
        first, stop = np.maximum(start - reach, 0), np.minimum(start + size + reach, placed.grid.size_ijk)
        suv = read_region(placed.image, first.tolist(), (stop - first).tolist()) * placed.units.suv_factor
        inner = zip((start - first)[::-1].tolist(), shape, strict=True)
        return cls(sphere, suv.astype(np.float64), tuple(slice(n, n + edge) for n, edge in inner))

    def of(self, suv: NDArray, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mean over the sphere around each voxel of a mask, SUV, one number each.

        Args:
            suv: SUV of the block, (k, j, i).
            mask: voxels of the tumor, same shape; not empty.
        """
        whole, inside = self.suv.copy(), np.zeros(self.suv.shape, dtype=bool)
        whole[self.block], inside[self.block] = suv, mask
        near = around(inside, [edge // 2 for edge in self.sphere.shape])
        # At the end of the scan its last voxels are repeated, as in the measure.
        means: NDArray[np.float64] = ndimage.correlate(whole[near], self.sphere, mode="nearest")[inside[near]]
        return means
