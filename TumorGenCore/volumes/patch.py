"""The working patch: resamples box and context from the native grid to a box-aligned, isotropic grid, and back.

Only the surroundings of the box are read and resampled, so the cost depends on the box and not on the volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.volumes.geometry import FACE_TOLERANCE_MM, Box, Grid
from TumorGenCore.volumes.turned_box import drawn_shift, turned
from TumorGenCore.volumes.voxels import read_region

__all__ = ["PatchSettings", "WorkingPatch", "paste_window"]


@dataclass(frozen=True)
class PatchSettings:
    """Size and spacing of a working patch.

    Args:
        spacing_mm: edge of the isotropic voxels that the networks were trained with.
        context_mm: least depth of tissue around the box, on each side.
        multiple: the number of voxels on each axis is a multiple of this (latent factor x U-Net factor).
        max_size: most voxels on an axis; a larger box gets a coarser spacing.
        min_box_mm: shortest box edge that is allowed: one latent cell.
        max_box_mm: longest box edge that is allowed.
        most_turn_degrees: largest angle by which the patch is turned against the box; see ``turned_box``.
        most_shift_mm: largest shift of the patch against the center of the box along each axis, half a latent cell at
            most; so no tumor has its middle on the face of a cell. It takes as much from the context on one side.
    """

    spacing_mm: float = 2.5
    context_mm: float = 20.0
    multiple: int = 16
    max_size: int = 128
    min_box_mm: float = 10.0
    max_box_mm: float = 400.0
    most_turn_degrees: float = 0.0
    most_shift_mm: float = 0.0


@dataclass(frozen=True)
class WorkingPatch:
    """An isotropic grid along the axes of a box and around it. Arrays on it have the axes (k, j, i).

    Args:
        grid: grid of the patch.
        box: box in the patch; the user's box or a turned one.
    """

    grid: Grid
    box: Box

    @classmethod
    def around(cls, box: Box, settings: PatchSettings) -> WorkingPatch:
        """Returns the patch of a box and its context, turned as the settings say; coarser voxels keep it small enough.

        Args:
            box: box of the user, in its canonical form.
            settings: settings of the patch.

        Raises:
            InvalidBoxError: the box is thinner than a latent cell or too large to work on.
        """
        thin, long = min(box.size_mm), max(box.size_mm)
        if thin < settings.min_box_mm:
            raise InvalidBoxError(
                f"The box is {thin:.1f} mm thin, but the networks need at least {settings.min_box_mm:.0f} mm. "
                "Draw the box larger."
            )
        if long > settings.max_box_mm:
            raise InvalidBoxError(
                f"The box is {long:.6g} mm long, but more than {settings.max_box_mm:.0f} mm does not fit in memory. "
                "Draw the box smaller."
            )
        need_mm = np.asarray(box.size_mm) + 2 * settings.context_mm
        spacing = max(settings.spacing_mm, float(need_mm.max()) / settings.max_size)
        size = np.ceil(need_mm / spacing / settings.multiple - 1e-9).astype(int) * settings.multiple
        size_ijk = (int(size[0]), int(size[1]), int(size[2]))
        shift = drawn_shift(box, settings.most_shift_mm)
        return cls.of_size(turned(box, settings.most_turn_degrees), size_ijk, spacing, shift)

    @classmethod
    def of_size(
        cls, box: Box, size_ijk: tuple[int, int, int], spacing_mm: float, shift_mm: Sequence[float] = (0, 0, 0)
    ) -> WorkingPatch:
        """Returns a patch of a given size (voxels) and spacing (mm), centered on the box.

        Args:
            box: the box.
            size_ijk: voxels along i, j, k.
            spacing_mm: voxel edge.
            shift_mm: from the center of the box to that of the patch, along the axes of the box.
        """
        first = np.asarray(shift_mm) - (np.asarray(size_ijk) - 1) / 2 * spacing_mm
        origin = box.to_lps(first)
        grid = Grid(size_ijk, (spacing_mm,) * 3, (origin[0], origin[1], origin[2]), box.axes)
        return cls(grid, box)

    def sample(self, image: sitk.Image, interpolator: int = sitk.sitkLinear) -> NDArray[np.float32]:
        """Resamples an image on the patch.

        The image is mirrored at its edges, which looks like tissue to the networks. A repeated edge would look like
        streaks.

        Args:
            image: 3D scalar image, any geometry and pixel type.
            interpolator: number of the interpolator in SimpleITK.

        Returns:
            float32 (k, j, i), in the units of the image.
        """
        size = np.asarray(image.GetSize())
        image_grid = Grid.from_image(image)
        corners = image_grid.lps_to_index(self.grid.corners_lps)
        first = np.floor(corners.min(axis=0)).astype(np.int64) - 1
        last = np.ceil(corners.max(axis=0)).astype(np.int64) + 2
        indices = [_mirrored(int(a), int(b), int(n)) for a, b, n in zip(first, last, size, strict=True)][::-1]
        nearest = [int(n.min()) for n in indices][::-1]
        values = read_region(image, nearest, [int(np.ptp(n)) + 1 for n in indices][::-1])
        for axis, index in enumerate(indices):
            if len(index) != values.shape[axis] or index[0] > index[-1]:
                values = np.take(values, index - index.min(), axis)
        values = values.astype(np.float32)
        padded = image_grid.region(first, values.shape[::-1])
        resampler = sitk.ResampleImageFilter()
        resampler.SetReferenceImage(self.grid.empty_image(sitk.sitkUInt8))
        resampler.SetInterpolator(interpolator)
        resampler.SetOutputPixelType(sitk.sitkFloat32)
        return sitk.GetArrayFromImage(resampler.Execute(padded.image_from_array(values)))

    def box_bounds(self) -> NDArray[np.float64]:
        """Returns the faces of the box in voxels of the patch, (2, 3): low and high along k, j, i; 0 is the center of
        the first voxel.
        """
        half = np.asarray(self.box.size_mm) / 2
        return self.grid.lps_to_index(self.box.to_lps(np.stack([-half, half])))[:, ::-1]

    def inside(self, image: Grid) -> NDArray[np.bool_]:
        """Returns booleans (k, j, i) of the patch: true if the center of the voxel lies within the grid ``image``."""
        i, j, k = (np.arange(n) for n in self.grid.size_ijk)
        kk, jj, ii = np.meshgrid(k, j, i, indexing="ij")
        index = image.lps_to_index(self.grid.index_to_lps(np.stack([ii, jj, kk], axis=-1)))
        return np.all((index >= -0.5) & (index <= np.asarray(image.size_ijk) - 0.5), axis=-1)

    def box_coverage(self, factor: int = 1) -> NDArray[np.float32]:
        """Returns the share of each cell that lies inside the box: B of section 2.1 of the paper, with soft faces.

        Args:
            factor: edge of a cell in voxels; 1 is the patch itself, 4 is the latent grid.

        Returns:
            float32 (k, j, i) of the cells, from 0 to 1.
        """
        parts = []
        middle = self.grid.index_to_lps((np.asarray(self.grid.size_ijk) - 1) / 2)
        shift = np.round(self.box.to_box(middle), 6)  # So that a face between two voxels does not touch both.
        for n, size, moved in zip(self.grid.size_ijk, self.box.size_mm, shift, strict=True):
            cell = self.grid.spacing_mm[0] * factor
            left = (np.arange(n // factor) - n / factor / 2) * cell + moved
            inside = np.minimum(left + cell, size / 2) - np.maximum(left, -size / 2)
            parts.append(np.clip(inside / cell, 0, 1))
        i, j, k = parts
        return (k[:, None, None] * j[None, :, None] * i[None, None, :]).astype(np.float32)

    def to_native(
        self, array: NDArray, native: Grid, box: Box
    ) -> tuple[NDArray[np.float32], tuple[slice, slice, slice]]:
        """Resamples a patch array on the native voxels that the box could touch.

        Args:
            array: array (k, j, i) on the patch; beyond the patch it counts as 0.
            native: grid of the volume.
            box: box of the user; the patch may be turned against it.

        Returns:
            The values, float32 (k, j, i), and their slices (k, j, i) in the native array. Both are empty if the box
            lies outside the grid.
        """
        start, stop = box.index_bounds(native)
        slices = (slice(start[2], stop[2]), slice(start[1], stop[1]), slice(start[0], stop[0]))
        size = np.maximum(stop - start, 0)
        if np.any(size == 0):
            return np.zeros(tuple(size[::-1]), dtype=np.float32), slices
        resampler = sitk.ResampleImageFilter()
        resampler.SetReferenceImage(native.region(start, size).empty_image(sitk.sitkUInt8))
        resampler.SetInterpolator(sitk.sitkLinear)
        resampler.SetOutputPixelType(sitk.sitkFloat32)
        patch_image = self.grid.image_from_array(np.ascontiguousarray(array, dtype=np.float32))
        return sitk.GetArrayFromImage(resampler.Execute(patch_image)), slices


def _mirrored(first: int, last: int, size: int) -> NDArray[np.int64]:
    """Returns indices ``first`` to ``last - 1`` of an axis of ``size`` voxels, mirrored repeatedly at both ends."""
    index = np.arange(first, last) % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def paste_window(box: Box, native: Grid, slices: tuple[slice, slice, slice], taper_mm: float) -> NDArray[np.float32]:
    """Weight of the change at native voxels: 1 deep inside the box, falling smoothly to 0 at its faces, 0 outside.

    The taper lies strictly inside the box and takes at most a fifth of an edge on each side.

    Args:
        box: box of the user.
        native: grid of the volume.
        slices: slices (k, j, i) of the region in the native array.
        taper_mm: depth below the faces from which the weight is 1.

    Returns:
        float32 (k, j, i) with the shape of the region.
    """
    window = np.ones([s.stop - s.start for s in slices], dtype=np.float32)
    for depth, size in zip(box.depths_mm(native, slices), box.size_mm, strict=True):
        ramp = np.clip(depth / min(taper_mm, size / 5), 0, 1)
        ramp[depth < FACE_TOLERANCE_MM] = 0
        window *= (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    return window
