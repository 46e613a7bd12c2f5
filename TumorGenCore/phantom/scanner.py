"""The scanner: its resolution, and the noise of an iterative reconstruction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.phantom.canvas import TISSUES, Canvas
from TumorGenCore.phantom.shapes import Array
from TumorGenCore.volumes.geometry import Grid

__all__ = ["Scan", "scan"]


@dataclass(frozen=True)
class Scan:
    """A scan of a phantom, whose organs are known.

    Args:
        image: SUV, float32.
        organs: number of each voxel's tissue (1: the first of ``canvas.TISSUES``); 0 has no name. uint8, (k, j, i).
    """

    image: sitk.Image
    organs: NDArray[np.uint8]

    def where(self, tissues: Collection[str]) -> NDArray[np.bool_]:
        """Returns the voxels of some of ``canvas.TISSUES``, (k, j, i)."""
        return np.isin(self.organs, [TISSUES.index(tissue) + 1 for tissue in tissues])


def scan(canvas: Canvas, grid: Grid, rng: np.random.Generator, fwhm_mm: float, noise: float) -> Scan:
    """Applies the scanner's resolution and noise to the painted body, on the whole grid.

    Iterative reconstructions have log-normal noise whose standard deviation depends on the local activity (Barrett et
    al., Phys Med Biol 1994;39:833-846). Attenuation makes it grow with depth. The noise is correlated over about the
    width of the reconstruction's post filter.

    Args:
        canvas: the painted body.
        grid: grid of the image; the canvas covers a part of it.
        rng: source of the noise.
        fwhm_mm: resolution, full width at half maximum of a Gaussian.
        noise: strength of the noise; 1 is that of a common clinical scan, 0 is none.

    Returns:
        The scan, on the whole grid.
    """
    organs = np.zeros(grid.size_ijk[::-1], dtype=np.uint8)
    organs[canvas.region] = canvas.organs
    return Scan(grid.image_from_array(_blurred_and_noisy(canvas, grid, rng, fwhm_mm, noise)), organs)


def _blurred_and_noisy(canvas: Canvas, grid: Grid, rng: np.random.Generator, fwhm_mm: float, noise: float) -> Array:
    spacing_kji = np.asarray(grid.spacing_mm[::-1])
    sigma = fwhm_mm / 2.355 / spacing_kji
    image = np.full(grid.size_ijk[::-1], 0.004, dtype=np.float32)  # remaining scatter and randoms in air
    image[canvas.region] += canvas.suv
    image = ndimage.gaussian_filter(image, sigma, truncate=3.5)
    if noise <= 0:
        return image

    grain = rng.standard_normal(image.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, 6.3 / 2.355 / spacing_kji, truncate=3.0)
    grain /= grain.std()
    deviation = np.full(image.shape, 0.6, dtype=np.float32)
    neighborhood = ndimage.gaussian_filter(canvas.suv, 9.0 / 2.355 / spacing_kji, truncate=2.5)
    depth = np.minimum(canvas.depth_mm, 130.0)
    # Relative deviation: about 9 % in the liver; it falls with activity and rises with the tissue that photons cross.
    inside = 0.13 * (0.75 + 0.006 * depth) * np.power((neighborhood + 0.15) / 2.0, np.float32(-0.3))
    deviation[canvas.region] = np.where(canvas.depth_mm > 0, inside, 0.5 * np.exp(-neighborhood / 0.05) + 0.1)
    deviation *= np.float32(noise)
    return image * np.exp(deviation * grain - deviation**2 / 2)
