"""Warnings about a box and targets before a tumor is grown there. This module imports no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.insertion.paste import BoxRegion
from TumorGenCore.insertion.placed import PlacedBox
from TumorGenCore.insertion.resolved import FillTarget, Targets, UptakeTarget
from TumorGenCore.insertion.targets import misses
from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["box_warnings", "target_warnings"]

#: Threshold between air and tissue.
_AIR_SUV = 0.1
_THIN_MM = 15
#: Tissue this much hotter than the wanted SUVmax may hide the tumor.
_HOTTER = 1.2


def box_warnings(box: Box, grid: Grid, suv_inside: NDArray) -> tuple[str, ...]:
    """Returns warnings in plain words. The tumor can be inserted all the same.

    Args:
        box: the user's box.
        grid: grid of the volume.
        suv_inside: SUV at points spread evenly over the box, any shape.
    """
    warnings = []
    if suv_inside.size and np.mean(suv_inside > _AIR_SUV) < 0.5:
        warnings.append("Most of the box lies outside the body (SUV below 0.1); the tumor may look out of place.")
    corners = grid.lps_to_index(box.corners_lps)
    if np.any(corners < -0.5) or np.any(corners > np.asarray(grid.size_ijk) - 0.5):
        warnings.append("The box reaches past the volume; TumorGen cuts off the part outside.")
    if min(box.size_mm) < _THIN_MM:
        warnings.append(f"The box is {min(box.size_mm):.0f} mm thin, close to the resolution of a PET scanner.")
    return tuple(warnings)


def target_warnings(targets: Targets, placed: PlacedBox, tissue_suv: float) -> tuple[str, ...]:
    """Returns warnings about targets that this place cannot take. The tumor can be inserted all the same.

    Args:
        targets: what the tumor is to reach in this box.
        placed: the box in the scan, or in a part of the scan with its surroundings.
        tissue_suv: median SUV of the tissue around the box.
    """
    if targets.uptake is None and targets.size is None:
        return ()
    region = BoxRegion.of(placed)
    of_uptake = [] if targets.uptake is None else _uptake_warnings(targets.uptake, region, tissue_suv)
    of_size = [] if targets.size is None else _size_warnings(targets.size, region)
    return (*of_uptake, *of_size)


def _uptake_warnings(target: UptakeTarget, region: BoxRegion, tissue_suv: float) -> list[str]:
    if target.suv <= tissue_suv:
        return [
            f"The target {target.name} {target.value} is not above the tissue around the box (median SUV "
            f"{tissue_suv:.1f}), so the tumor cannot stand out. Ask for more, or place the box in other tissue."
        ]
    inside = region.suv[region.window > 0]
    if target.measure == "mean" or inside.size == 0:
        return []
    hot = float(np.percentile(inside, 95))
    if hot <= _HOTTER * target.suv:
        return []
    return [
        f"Tissue in the box is hotter than the target {target.name} {target.suv:g} (a twentieth of the box has SUV "
        f"{hot:.1f} or more), so the tumor may not stand out. Ask for more, or move the box away from the hot tissue."
    ]


def _size_warnings(size: FillTarget, region: BoxRegion) -> list[str]:
    fill, most, voxel = size.share, region.most_fill, region.voxel_share
    asked, origin = f"{100 * fill:.3g} %", f" ({size.origin})" * bool(size.origin)
    if fill > most and misses(most, fill):
        return [
            f"A tumor cannot fill {asked} of this box{origin}: it fades toward the faces, so at most "
            f"{100 * most:.0f} % can become tumor. Ask for less, or draw a larger box."
        ]
    whole = max(1, round(fill / voxel))
    if misses(whole * voxel, fill):
        return [
            f"A fill of {asked}{origin} is {fill / voxel:.1f} voxels of this scan, and a tumor has whole voxels: it "
            f"can fill {100 * whole * voxel:.3g} %. Ask for more, or draw a larger box."
        ]
    return []
