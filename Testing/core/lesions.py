"""Makes lumpy lesions, a different one for each number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SPACING_MM = (3.0, 3.0, 3.0)
EDGE = 44


def lumpy_lesion(number: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Returns uptake (around 6 in the lesion, 1 in tissue) and mask, shape (44, 44, 44) each."""
    rng = np.random.default_rng(number)
    k, j, i = (np.indices((EDGE,) * 3) - 21.5) / rng.uniform(7, 14, size=3)[:, None, None, None]
    lumps = ndimage.gaussian_filter(rng.normal(size=(EDGE,) * 3), 3)
    mask = np.sqrt(k**2 + j**2 + i**2) + 0.3 * lumps / lumps.std() < 1
    labels, _ = ndimage.label(mask)
    mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    texture = ndimage.gaussian_filter(rng.normal(size=(EDGE,) * 3), 2)
    return np.where(mask, 6 + 2 * texture / texture.std(), 1).astype(np.float32), mask
