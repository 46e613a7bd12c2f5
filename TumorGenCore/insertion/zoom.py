"""Zooms arrays of a grown tumor within its box; ``targets.fit_zoom`` chooses the factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.lesions.extent import around

__all__ = ["LEAST_ZOOM", "MOST_ZOOM", "anchor", "zoomed"]

#: Smallest and largest factor for the edges of a grown tumor. Beyond them its blur and texture would no longer be those
#: of the scan.
LEAST_ZOOM, MOST_ZOOM = 0.8, 1.3


def anchor(probability: NDArray, bounds: NDArray) -> NDArray[np.float64]:
    """Returns the point that stays when a tumor is zoomed, in voxels (k, j, i).

    The gaps between the tumor and two opposite faces of the box shrink or grow in proportion. So a tumor that is
    smaller than the box does not reach through a face: one at the middle stays there, one at a face stays at the face.

    Args:
        probability: probability of the tumor, (k, j, i).
        bounds: faces of the box, low and high, in voxels (k, j, i); see ``WorkingPatch.box_bounds``.
    """
    low, high = bounds
    middle = (low + high) / 2
    mask = probability > 0.5
    if not mask.any():
        return middle
    block = around(mask)
    before = np.maximum([a.start - 0.5 for a in block] - low, 0)
    behind = np.maximum(high - [a.stop - 0.5 for a in block], 0)
    return middle + (high - low) / 2 * (before - behind) / np.maximum(before + behind, 1e-6)


def zoomed(values: NDArray, zoom: float, still: NDArray) -> NDArray:
    """Zooms an array about a point, with linear interpolation; 0 where it reaches beyond the array.

    Args:
        values: (k, j, i).
        zoom: factor for edges; 1 changes nothing.
        still: the point that stays, in voxels (k, j, i).
    """
    if zoom == 1:
        return values
    return ndimage.affine_transform(values, np.full(3, 1 / zoom), still - still / zoom, order=1)
