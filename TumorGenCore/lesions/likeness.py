"""Likeness of two lesions, independent of place and direction: each gets its own frame, and the frames are aligned."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["POINTS", "in_lesion_frame", "likeness", "turned_onto", "unit_vectors"]

#: Points along each edge of the lesion's frame.
POINTS = 20


def in_lesion_frame(
    suv: NDArray, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], points: int = POINTS
) -> NDArray[np.float32]:
    """Samples a lesion's uptake in its own cubic frame, along its principal axes, with the same size for every lesion.

    The center is the mask's centroid, and the edge is the lesion's longest extent. Uptake is 0 outside the mask; inside
    it is divided by the lesion's 95th percentile. So place, direction, size and height of the uptake no longer matter.

    Args:
        suv: SUV, (k, j, i).
        mask: (k, j, i), true inside the lesion.
        spacing_mm: voxel edges along i, j, k.
        points: number of points along each edge of the frame.

    Returns:
        float32 (points, points, points), axes from least to greatest extent.

    Raises:
        ValueError: the mask is empty.
    """
    spacing = np.asarray(spacing_mm[::-1])
    places = np.argwhere(mask) * spacing
    if len(places) == 0:
        raise ValueError("The lesion's mask is empty; leave the lesion out.")
    center = places.mean(axis=0)
    _, axes = np.linalg.eigh((places - center).T @ (places - center))
    reach = float(np.abs((places - center) @ axes).max()) + spacing.mean() / 2
    along = np.linspace(-reach, reach, points)
    frame = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1) @ axes.T + center
    where = np.moveaxis(frame / spacing, -1, 0)
    top = max(float(np.percentile(suv[mask], 95)), 1e-6)
    inside = ndimage.map_coordinates(mask.astype(np.float32), where, order=1, mode="constant") > 0.5
    uptake = ndimage.map_coordinates(suv, where, order=1, mode="nearest", output=np.float32)
    return np.where(inside, uptake / np.float32(top), np.float32(0))


def unit_vectors(frames: NDArray) -> NDArray[np.float32]:
    """Vectors (n, 2 p^3) of frames (n, p, p, p). The scalar product of two is their likeness, without rotation.

    The likeness is the mean of two correlations: that of the masks, and that of the uptake inside them minus its mean.
    By shape alone any plain lump would look like a copy of any other.
    """
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    shape = (flat != 0).astype(np.float64)
    means = flat.sum(axis=1, keepdims=True) / np.maximum(shape.sum(axis=1, keepdims=True), 1)
    parts = (shape - shape.mean(axis=1, keepdims=True), (flat - means) * shape)
    units = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts]
    return (np.hstack(units) / 2**0.5).astype(np.float32)


def likeness(lesions: NDArray[np.float32], references: NDArray[np.float32]) -> NDArray[np.float32]:
    """Highest likeness over the 48 rotations and reflections of a frame, (n, m), -1 to 1; 1 is the same lesion.

    Args:
        lesions: ``unit_vectors`` of n frames.
        references: ``unit_vectors`` of m frames of the same size.
    """
    halves = lesions.reshape(len(lesions), 2, -1)
    best = np.full((len(lesions), len(references)), -1, dtype=np.float32)
    for order in _turns(round(halves.shape[-1] ** (1 / 3))):
        turned = halves[..., order].reshape(len(lesions), -1)
        np.maximum(best, turned @ references.T, out=best)
    return best


def turned_onto(frame: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotates and reflects a frame (p, p, p) so that it resembles the reference most."""
    flat, onto = frame.ravel(), unit_vectors(reference[None])[0]
    turned = (flat[order].reshape(frame.shape) for order in _turns(len(frame)))
    return max(turned, key=lambda tried: float(unit_vectors(tried[None])[0] @ onto))


@cache
def _turns(points: int) -> NDArray[np.int64]:
    """Source index of each point of a frame, for each of the 48 rotations and reflections, (48, points^3)."""
    index = np.arange(points**3).reshape((points,) * 3)
    turns = []
    for order in permutations((0, 1, 2)):
        for flips in product((False, True), repeat=3):
            turned = np.flip(index.transpose(order), tuple(axis for axis, flip in enumerate(flips) if flip))
            turns.append(turned.ravel())
    return np.stack(turns)
