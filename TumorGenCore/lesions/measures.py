"""Measures of a lesion as in a nuclear medicine report: volume, SUVmax, SUVmean, SUVpeak, MTV and TLG."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.extent import around

__all__ = ["LesionMeasures", "measure_images", "measure_lesion", "peak_sphere"]

#: Radius of a sphere of 1 ml, mm.
PEAK_RADIUS_MM = (3 * 1000 / (4 * math.pi)) ** (1 / 3)
#: Share of SUVmax above which a voxel counts as metabolic tumor volume.
MTV_THRESHOLD = 0.41

#: Points per voxel edge, for the share of a voxel that lies in a sphere.
_FINENESS = 5


@dataclass(frozen=True)
class LesionMeasures:
    """Measures of one lesion; for an empty mask all except the volumes are NaN.

    Args:
        volume_ml: volume of the mask.
        suv_max: SUV of the hottest voxel in the mask.
        suv_mean: mean SUV in the mask.
        suv_peak: highest mean over a 1 ml sphere that is centered on a voxel of the mask; the sphere may reach past the
            mask (Wahl et al., PERCIST, J. Nucl. Med. 2009, 50 Suppl. 1, 122S; here at the highest-valued position).
        mtv_ml: metabolic tumor volume: mask voxels at or above 41 % of SUVmax (Boellaard et al., EANM guidelines 2.0,
            Eur. J. Nucl. Med. Mol. Imaging 2015, 42, 328).
        tlg: total lesion glycolysis, MTV times its mean SUV, g (Larson et al., Clin. Positron Imaging 1999, 2, 159).
    """

    volume_ml: float
    suv_max: float
    suv_mean: float
    suv_peak: float
    mtv_ml: float
    tlg: float


def measure_lesion(suv: NDArray, mask: NDArray, spacing_mm: tuple[float, float, float]) -> LesionMeasures:
    """Measures one lesion.

    Args:
        suv: SUV, (k, j, i); a crop with 12 mm around the mask is enough, so that the peak sphere fits.
        mask: (k, j, i), true inside the lesion.
        spacing_mm: voxel edges along i, j, k.

    Raises:
        ValueError: the shapes differ.
    """
    if suv.shape != mask.shape:
        raise ValueError(f"The mask's shape {mask.shape} is not the image's {suv.shape}; give both on the same grid.")
    inside = np.asarray(mask, dtype=bool)
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    if not inside.any():
        return LesionMeasures(0.0, math.nan, math.nan, math.nan, 0.0, math.nan)
    uptake = np.asarray(suv)[inside].astype(np.float64)
    hot = uptake[uptake >= MTV_THRESHOLD * uptake.max()]
    return LesionMeasures(
        volume_ml=float(inside.sum()) * voxel_ml,
        suv_max=float(uptake.max()),
        suv_mean=float(uptake.mean()),
        suv_peak=_peak(suv, inside, spacing_mm),
        mtv_ml=hot.size * voxel_ml,
        tlg=float(hot.sum()) * voxel_ml,
    )


def measure_images(image: sitk.Image, mask: sitk.Image, suv_factor: float = 1.0) -> LesionMeasures:
    """Measures the lesion that ``mask`` marks on ``image``; reads only its neighborhood.

    Args:
        image: PET, 3D.
        mask: 3D, on the same grid, above 0 inside the lesion.
        suv_factor: factor from voxel values to SUV.
    """
    inside = sitk.GetArrayViewFromImage(mask) > 0
    values = sitk.GetArrayViewFromImage(image)
    spacing = mask.GetSpacing()
    if inside.any():
        block = around(inside, [math.ceil(2 * PEAK_RADIUS_MM / step) for step in reversed(spacing)])
        inside, values = inside[block], values[block]
    return measure_lesion(values * suv_factor, inside, spacing)


def peak_sphere(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Weights of a 1 ml sphere on the grid, (k, j, i), odd edges, sum 1; cut voxels count by their share."""
    offsets = (np.arange(_FINENESS) + 0.5) / _FINENESS - 0.5
    squares = []
    for spacing in reversed(spacing_mm):
        reach = math.ceil(PEAK_RADIUS_MM / spacing - 0.5)
        centers = np.arange(-reach, reach + 1)
        squares.append(((centers[:, None] + offsets) * spacing) ** 2)
    k, j, i = squares
    distance = k[:, None, None, :, None, None] + j[None, :, None, None, :, None] + i[None, None, :, None, None, :]
    weights = (distance <= PEAK_RADIUS_MM**2).mean(axis=(3, 4, 5))
    return weights / weights.sum()


def _peak(suv: NDArray, inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> float:
    """SUVpeak. It reads only the mask's surroundings, so the time depends on the lesion and not on the image."""
    sphere = peak_sphere(spacing_mm)
    block = around(inside, [edge // 2 for edge in sphere.shape])
    means = ndimage.correlate(np.asarray(suv[block], dtype=np.float64), sphere, mode="nearest")
    return float(means[inside[block]].max())
