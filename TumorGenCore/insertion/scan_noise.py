"""Noise of a scan around a box: noise of the same kind, and resolution, for the uptake that a tumor adds.

A noisy scan has noisy lesions. The networks make a clean tumor in any scan, so its rise gets noise of the scan's own
level and autocorrelation. The model is white noise smoothed by a Gaussian, in proportion to the uptake, as iterative
reconstruction gives it (Barrett, Wilson and Tsui, Phys. Med. Biol. 1994, 39, 833).

The grain of the noise tells of the resolution too, because the filter that smooths the one smooths the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.insertion.placed import LEAST_TISSUE_SUV, PlacedBox
from TumorGenCore.volumes.voxels import read_region

__all__ = ["FWHM", "ScanNoise", "measure_noise", "noise_around"]

#: Full width at half maximum of a Gaussian over its standard deviation.
FWHM = 2 * math.sqrt(2 * math.log(2))
#: Depth of the tissue around the box that is looked at, mm.
AROUND_MM = 25.0
#: Noise is what a Gaussian of this standard deviation removes, mm.
SMOOTH_MM = 6.0
#: Share of the tissue that counts, that with the least slope: elsewhere the borders of organs would count as noise.
FLATTEST = 0.6
#: Least number of voxels of tissue.
LEAST_VOXELS = 50
#: Deviations beyond which a voxel is cut: it belongs to a vessel or a lesion.
MOST_DEVIATIONS = 3.0
#: Deviations of the Gaussians that are tried, voxels: from white noise to noise as coarse as the tissue.
_SIGMAS = np.linspace(0.25, 3.0, 56)


@dataclass(frozen=True)
class ScanNoise:
    """Noise of a scan.

    Args:
        level: standard deviation over the uptake.
        sigma_voxels: standard deviation of the Gaussian that gives white noise its autocorrelation, along k, j, i.
        grain_mm: its full width at half maximum, mean of the axes; 0 if there is no noise.
    """

    level: float
    sigma_voxels: tuple[float, float, float]
    grain_mm: float

    def lost_sigma_mm(self, grain_mm: float) -> float:
        """Standard deviation of the Gaussian that this scan blurs more than scans with the given grain, 0 or more, mm.

        Args:
            grain_mm: grain of the other scans; 0 loses nothing.
        """
        if grain_mm == 0 or self.grain_mm <= grain_mm:
            return 0.0
        return math.sqrt(self.grain_mm**2 - grain_mm**2) / FWHM

    def draw(self, shape: tuple[int, ...], seed: int) -> NDArray[np.float64]:
        """Draws noise with mean 0 and the standard deviation ``level``, (k, j, i).

        Args:
            shape: number of voxels along k, j, i.
            seed: seed of the noise.
        """
        if self.level == 0:
            return np.zeros(shape)
        margins = [math.ceil(4 * sigma) for sigma in self.sigma_voxels]
        white = np.random.default_rng([seed, _STREAM]).normal(
            size=[n + 2 * margin for n, margin in zip(shape, margins, strict=True)]
        )
        smooth = ndimage.gaussian_filter(white, self.sigma_voxels, mode="wrap")
        inner = tuple(slice(margin, margin + n) for n, margin in zip(shape, margins, strict=True))
        drawn: NDArray[np.float64] = self.level * smooth[inner] / smooth.std()
        return drawn


#: Stream of the noise, so that it does not depend on the other draws of a seed.
_STREAM = 3
_NO_NOISE = ScanNoise(0.0, (0.0, 0.0, 0.0), 0.0)


def noise_around(placed: PlacedBox) -> ScanNoise:
    """Measures the noise of the tissue around a box, on the scan's own voxels; reads only its surroundings.

    Args:
        placed: box and scan.
    """
    spacing = np.asarray(placed.grid.spacing_mm[::-1])
    start, stop = placed.box.index_bounds(placed.grid, math.ceil(AROUND_MM / float(spacing.min())))
    size = (stop - start).tolist()
    suv = read_region(placed.image, start.tolist(), size).astype(np.float64) * placed.units.suv_factor
    outside = ~placed.box.mask(placed.grid.region(start, stop - start))
    return measure_noise(suv, outside & (suv > LEAST_TISSUE_SUV), placed.grid.spacing_mm)


def measure_noise(suv: NDArray, tissue: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> ScanNoise:
    """Measures level and autocorrelation of the noise in tissue.

    Args:
        suv: SUV, (k, j, i).
        tissue: voxels that count, (k, j, i).
        spacing_mm: voxel edges along i, j, k.

    Returns:
        The noise; none if there is too little tissue.
    """
    sigma = SMOOTH_MM / np.asarray(spacing_mm[::-1])
    weight = ndimage.gaussian_filter(tissue.astype(np.float64), sigma)
    mean = ndimage.gaussian_filter(np.where(tissue, suv, 0), sigma) / np.maximum(weight, 1e-3)
    whole = tissue & (weight > 0.5)
    if whole.sum() < LEAST_VOXELS:
        return _NO_NOISE
    slope = ndimage.gaussian_gradient_magnitude(mean, 1.0) / np.maximum(mean, LEAST_TISSUE_SUV)
    flat = whole & (slope <= np.quantile(slope[whole], FLATTEST))
    if flat.sum() < LEAST_VOXELS:
        return _NO_NOISE
    detail = np.where(flat, suv / np.maximum(mean, LEAST_TISSUE_SUV) - 1, 0)
    middle = float(np.median(detail[flat]))
    level = 1.4826 * float(np.median(np.abs(detail[flat] - middle)))  # The deviation of a normal distribution.
    cut = np.clip(detail - middle, -MOST_DEVIATIONS * level, MOST_DEVIATIONS * level)
    k, j, i = (_sigma(cut, flat, axis) for axis in range(3))
    grain_mm = FWHM * float(np.mean(np.multiply((k, j, i), spacing_mm[::-1])))
    return ScanNoise(level, (k, j, i), grain_mm)


def _sigma(detail: NDArray, where: NDArray[np.bool_], axis: int) -> float:
    """Deviation of the Gaussian that gives white noise this correlation of neighbors along an axis, voxels."""
    here, there = (np.take(detail, range(a, detail.shape[axis] + b), axis) for a, b in ((0, -1), (1, 0)))
    both = np.take(where, range(detail.shape[axis] - 1), axis) & np.take(where, range(1, detail.shape[axis]), axis)
    variance = float((detail[where] ** 2).mean())
    if not both.any() or variance == 0:
        return 0.0
    correlation = float((here * there)[both].mean()) / variance
    return float(np.interp(correlation, _CORRELATIONS, _SIGMAS))


def _correlation(sigma: float) -> float:
    """Correlation of neighbors of white noise after a Gaussian on voxels; exp(-1 / (4 sigma^2)) for a wide one."""
    weights = np.exp(-0.5 * (np.arange(-12, 13) / sigma) ** 2)
    return float((weights[1:] * weights[:-1]).sum() / (weights**2).sum())


#: Correlation of neighbors for each of ``_SIGMAS``, rising.
_CORRELATIONS = [_correlation(sigma) for sigma in _SIGMAS]
