"""Pastes a tumor on the scan's voxels: geometry and arithmetic, without networks. Only voxels inside the box change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.placed import PlacedBox
from TumorGenCore.insertion.resolved import UptakeTarget
from TumorGenCore.insertion.sphere_means import SphereMeans
from TumorGenCore.insertion.targets import fit_gain
from TumorGenCore.insertion.zoom import anchor, zoomed
from TumorGenCore.volumes.patch import paste_window
from TumorGenCore.volumes.voxels import read_region

__all__ = ["TAPER_MM", "BoxRegion", "FitMask", "Grain", "Pasted", "on_whole_grid", "paste", "with_region"]

#: Depth inside the box's faces at which the change reaches full strength, mm.
TAPER_MM = 6.0
#: Weight of the change below which a voxel is no tumor.
_LEAST_WINDOW = 0.5

#: Function from M' as a probability, the SUV of the scan's voxels, and the SUV that the tumor adds, to the fitted M';
#: all (k, j, i) of the working patch.
FitMask = Callable[[NDArray, NDArray, NDArray], NDArray]
#: Function from a shape (k, j, i) to relative noise for the uptake that a tumor adds, mean 0, on the scan's voxels.
Grain = Callable[[tuple[int, ...]], NDArray]


@dataclass(frozen=True)
class Pasted:
    """A tumor on the block of the scan's voxels around its box, arrays (k, j, i).

    Args:
        start_ijk: first voxel of the block.
        voxels: voxels with the tumor, in the scan's pixel type and units.
        tumor: mask of the tumor, 0/1.
        probability: soft mask of the tumor, 0 to 1.
        gain: factor of its rise, to reach the target uptake.
        fill: share of the box's volume that is tumor.
        reached: value of the target's measure; None if there is no target, or no tumor grew.
        cut_off: number of voxels whose uptake is higher than the scan's voxel type can hold, and is cut off there.
    """

    start_ijk: list[int]
    voxels: NDArray
    tumor: NDArray[np.uint8]
    probability: NDArray[np.float32]
    gain: float
    fill: float
    reached: float | None
    cut_off: int = 0


@dataclass(frozen=True)
class BoxRegion:
    """The block of the scan's voxels that a box can touch.

    Args:
        placed: box, scan and patch.
        start_ijk: first voxel of the block.
        voxels: voxels of the scan, (k, j, i), in its pixel type and units.
        window: factor of the change for each voxel, 0 (at the faces and outside) to 1, (k, j, i).
    """

    placed: PlacedBox
    start_ijk: list[int]
    voxels: NDArray
    window: NDArray[np.float32]

    @classmethod
    def of(cls, placed: PlacedBox) -> BoxRegion:
        """Returns the block of a placed box."""
        first, stop = placed.box.index_bounds(placed.grid)
        start, size = first.tolist(), (stop - first).tolist()
        slices = tuple(slice(a, a + n) for a, n in zip(start[::-1], size[::-1], strict=True))
        window = paste_window(placed.box, placed.grid, slices, TAPER_MM)  # type: ignore[arg-type]
        return cls(placed, start, read_region(placed.image, start, size), window)

    @cached_property
    def suv(self) -> NDArray[np.float64]:
        """SUV of the scan's voxels."""
        return self.voxels.astype(np.float64) * self.placed.units.suv_factor

    def change(self, on_patch: TissueChange) -> TissueChange:
        """Returns the change of a patch on these voxels, faded toward the faces of the box."""
        # The share that falls, because beyond the patch, where nothing changes, resampling gives 0.
        rise, fallen = (self._from_patch(values) for values in (on_patch.rise, 1 - on_patch.kept))
        return TissueChange(rise, 1 - fallen).faded(self.window)

    def marked(self, probability: NDArray, threshold: float = 0.5) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Returns the soft mask of a patch on these voxels, and where it is above the threshold: the tumor."""
        soft = self._from_patch(probability) * (self.window > 0)
        # There is no tumor to mark where the window has faded the change.
        return soft, (soft > threshold) & (self.window >= _LEAST_WINDOW)

    def on_patch(self, suv: NDArray) -> NDArray[np.float32]:
        """Resamples SUV on these voxels to the patch, with interpolation."""
        block = self.placed.grid.region(self.start_ijk, suv.shape[::-1])
        return self.placed.patch.sample(block.image_from_array(suv.astype(np.float32)))

    def with_change(self, change: TissueChange, gain: float) -> NDArray:
        """Returns these voxels with the tumor, in the scan's pixel type and units."""
        changed = change.on(self.suv, gain) / self.placed.units.suv_factor
        if np.issubdtype(self.voxels.dtype, np.integer):
            limits = np.iinfo(self.voxels.dtype)
            changed = np.clip(np.rint(changed), limits.min, limits.max)
        # Outside stays untouched: a round trip through float64 would change large 64-bit integers.
        values = self.voxels.copy()
        values[self.window > 0] = changed[self.window > 0].astype(values.dtype)
        return values

    def cut_off(self, change: TissueChange, gain: float) -> int:
        """Number of voxels whose uptake with the tumor is higher than the voxel type of the scan can hold."""
        # Half a voxel value more rounds to a higher value.
        over = change.on(self.suv, gain) > self.placed.highest_suv + self.placed.units.suv_factor / 2
        return int((over & (self.window > 0)).sum())

    def share_of_box(self, tumor: NDArray[np.bool_]) -> float:
        """Share of the box's volume that a mask on these voxels fills."""
        return float(tumor.sum() * np.prod(self.placed.grid.spacing_mm) / np.prod(self.placed.box.size_mm))

    @property
    def voxel_share(self) -> float:
        """Share of the box's volume that one voxel fills."""
        return self.share_of_box(np.ones(1, dtype=bool))

    @property
    def most_fill(self) -> float:
        """Largest share of the box's volume that a tumor can fill: all voxels that ``marked`` does not exclude."""
        return self.share_of_box(self.window >= _LEAST_WINDOW)

    def _from_patch(self, values: NDArray) -> NDArray[np.float32]:
        return self.placed.patch.to_native(values, self.placed.grid, self.placed.box)[0]


def paste(
    placed: PlacedBox,
    on_patch: TissueChange,
    probability: NDArray,
    fit_mask: FitMask | None = None,
    target: UptakeTarget | None = None,
    grain: Grain | None = None,
    threshold: float = 0.5,
    zoom: float = 1.0,
) -> Pasted:
    """Pastes the change and the mask of a patch on the scan's voxels around the box.

    Args:
        placed: box, scan and patch.
        on_patch: the change, (k, j, i) of the working patch.
        probability: M', same shape; may be a mask of 0 and 1.
        fit_mask: fits M' to the uptake that it marks; None leaves it as it is.
        target: the uptake to reach.
        grain: noise of the uptake that the tumor adds; None adds none.
        threshold: probability above which a voxel is tumor; the fit of M' does not depend on it.
        zoom: factor for the edges of the tumor, see ``zoom.anchor``.
    """
    if zoom != 1:
        still = anchor(probability, placed.patch.box_bounds())
        on_patch, probability = on_patch.zoomed(zoom, still), zoomed(probability, zoom, still)
    region = BoxRegion.of(placed)
    change = region.change(on_patch)
    if grain is not None:
        change = change.with_noise(grain(change.rise.shape))
    spheres = None
    if target is not None and target.measure == "peak":
        spheres = SphereMeans.around(placed, region.start_ijk, region.voxels.shape)
    if fit_mask is not None:
        gain = fit_gain(region.suv, change, region.marked(probability)[1], target, spheres)
        # Fitted on the patch: on coarse voxels too little of a small tumor would be left.
        probability = fit_mask(probability, region.on_patch(change.on(region.suv, gain)), gain * on_patch.rise)
    soft, tumor = region.marked(probability, threshold)
    gain = fit_gain(region.suv, change, tumor, target, spheres)
    voxels = region.with_change(change, gain)
    reached = None
    if target is not None and tumor.any():
        factor = placed.units.suv_factor
        reached = target.of(voxels[tumor] * factor if spheres is None else spheres.of(voxels * factor, tumor))
    return Pasted(
        region.start_ijk,
        voxels,
        tumor.astype(np.uint8),
        soft.astype(np.float32),
        gain,
        region.share_of_box(tumor),
        reached,
        region.cut_off(change, gain),
    )


def with_region(image: sitk.Image, values: NDArray, start_ijk: list[int]) -> sitk.Image:
    """Copies ``image``, on all processors, with ``values`` (k, j, i) as the voxels of a region."""
    source = sitk.GetImageFromArray(values)
    return sitk.Paste(image, source, source.GetSize(), destinationIndex=start_ijk)


def on_whole_grid(placed: PlacedBox, values: NDArray, start_ijk: list[int]) -> sitk.Image:
    """Makes an image on the scan's whole grid, with ``values`` (k, j, i) in a region and zero elsewhere."""
    source = sitk.GetImageFromArray(values)
    whole = placed.grid.empty_image(source.GetPixelID())
    region = zip(start_ijk, source.GetSize(), strict=True)
    whole[tuple(slice(start, start + size) for start, size in region)] = source
    return whole
