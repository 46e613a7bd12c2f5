"""The tissue around a lesion: a shell with a gap, for lesion-to-background ratios.

The shell reaches from 5 to 15 mm outside the mask. The gap is about the resolution of clinical PET scanners (4 to 7 mm
full width at half maximum), so that little of the lesion's own uptake spills into the shell (Soret et al., Partial-
volume effect in PET tumor imaging, J. Nucl. Med. 2007, 48, 932). The outer limit keeps the tissue local: NEMA NU 2
keeps its background regions 15 mm away from hot spheres, which a body seldom allows. No guideline fixes such a shell:
PERCIST (Wahl et al., J. Nucl. Med. 2009, 50 Suppl. 1, 122S) and EANM 2.0 (Boellaard et al., Eur. J. Nucl. Med. Mol.
Imaging 2015, 42, 328) compare with the liver and the blood pool instead. Physicists' tools such as the Lesion Synthesis
Toolbox state the surroundings within a margin, as is done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["SHELL_MM", "Surroundings", "shell", "surroundings"]

#: Distance from the mask where the shell begins and ends, mm.
SHELL_MM = (5.0, 15.0)


@dataclass(frozen=True)
class Surroundings:
    """Uptake in the shell around a lesion; all but the number of voxels are NaN for an empty shell.

    Args:
        voxels: number of voxels.
        mean: mean SUV.
        sd: standard deviation of the SUV over the voxels.
        least: lowest SUV.
        most: highest SUV.
    """

    voxels: int
    mean: float
    sd: float
    least: float
    most: float


def shell(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], others: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Finds the voxels whose center is more than 5 and at most 15 mm from the nearest voxel center of a mask.

    Args:
        mask: voxels of the lesion, (k, j, i); a crop with 15 mm around the mask is enough.
        spacing_mm: voxel edges along i, j, k.
        others: voxels of other lesions, same shape; they do not count.

    Returns:
        Booleans (k, j, i); all false for an empty mask.
    """
    if not mask.any():
        return np.zeros(mask.shape, dtype=bool)
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing_mm[::-1])
    around: NDArray[np.bool_] = (distance > SHELL_MM[0]) & (distance <= SHELL_MM[1])
    return around if others is None else around & ~others


def surroundings(suv: NDArray, where: NDArray[np.bool_]) -> Surroundings:
    """Measures the uptake in a shell.

    Args:
        suv: SUV, (k, j, i).
        where: voxels of the shell, same shape.
    """
    uptake = np.asarray(suv)[where].astype(np.float64)
    if not uptake.size:
        return Surroundings(0, math.nan, math.nan, math.nan, math.nan)
    return Surroundings(
        uptake.size, float(uptake.mean()), float(uptake.std()), float(uptake.min()), float(uptake.max())
    )
