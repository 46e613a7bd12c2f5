"""Traits of lesions that an eye sees, and how far a lesion is from real lesions of like size.

Each trait of the real lesions has a line in the logarithm of their volume. A lesion's deviation is its distance from
this line, in standard deviations of the real lesions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.lesions.extent import around
from TumorGenCore.lesions.form import solidity
from TumorGenCore.lesions.texture import grain

__all__ = ["COLUMNS", "lesion_traits", "trait_deviation"]

#: What ``lesion_traits`` returns: the logarithm of the volume in ml, and the traits.
COLUMNS = ("log_volume", "solidity", "grain")
#: Fewer real lesions do not show how much a trait varies.
_LEAST_LESIONS = 10


def lesion_traits(
    suv: NDArray, mask: NDArray[np.bool_], scan: NDArray, spacing_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Measures a lesion.

    Args:
        suv: SUV, (k, j, i); four voxels around the mask are enough.
        mask: voxels of the lesion, (k, j, i), not empty.
        scan: SUV of the scan without the lesion, if it is synthetic; else the same as ``suv``.
        spacing_mm: voxel edges along i, j, k.

    Returns:
        float32 (3,), see ``COLUMNS``; NaN for a trait that a lesion is too small for.

    Raises:
        ValueError: the mask is empty.
    """
    volume_ml = float(mask.sum() * np.prod(spacing_mm)) / 1000
    solid = solidity(mask[around(mask)], spacing_mm)
    return np.array([math.log(volume_ml), solid, grain(suv, mask, scan, spacing_mm)], np.float32)


def trait_deviation(name: str, found: NDArray[np.float32], real: NDArray[np.float32]) -> float | None:
    """Returns how far a trait is from that of real lesions of like size, in their standard deviations.

    Beyond the smallest and the largest real lesion the line goes on level.

    Args:
        name: a trait in ``COLUMNS``.
        found: the lesion, (3,).
        real: real lesions, (n, 3).

    Returns:
        Negative below the real lesions, positive above them; None if the lesion lacks the trait, or fewer than ten
        real lesions have it.
    """
    column = COLUMNS.index(name)
    known = real[np.isfinite(real[:, column])].astype(np.float64)
    if not math.isfinite(found[column]) or len(known) < _LEAST_LESIONS:
        return None
    volumes, values = known[:, 0], known[:, column]
    line = np.polynomial.Polynomial.fit(volumes, values, 1)
    spread = math.sqrt(float(((values - line(volumes)) ** 2).sum()) / (len(known) - 2))
    usual = float(line(np.clip(found[0], volumes.min(), volumes.max())))
    return (float(found[column]) - usual) / max(spread, 1e-6)
