"""Independent answers for the geometry tests, and random cases; uses no formula of the code under test."""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from TumorGenCore.volumes.geometry import Box, Grid

SIGNS = np.array(list(product((-1, 1), repeat=3)))


def random_direction(rng: np.random.Generator) -> NDArray[np.float64]:
    """Returns a random 3x3 rotation; half of them are left-handed."""
    matrix = Rotation.random(random_state=rng).as_matrix()
    return matrix * np.array([1, 1, rng.choice([-1, 1])])


def random_image(rng: np.random.Generator, size_ijk: tuple[int, int, int], dtype: type = np.float32) -> sitk.Image:
    """Returns noise on an oblique, anisotropic grid: 0 to 5000 for integer types, else 0 to 5."""
    values = rng.random(size_ijk[::-1]) * (5000 if np.issubdtype(dtype, np.integer) else 5)
    image = sitk.GetImageFromArray(values.astype(dtype))
    image.SetSpacing(rng.uniform(1.5, 6.0, 3).tolist())
    image.SetOrigin(rng.uniform(-300, 300, 3).tolist())
    image.SetDirection(random_direction(rng).ravel().tolist())
    return image


def random_grid(rng: np.random.Generator) -> Grid:
    i, j, k = (int(n) for n in rng.integers(3, 20, 3))
    return Grid.from_image(random_image(rng, (i, j, k)))


def random_box(rng: np.random.Generator, near_lps: NDArray, least_mm: float = 10.0, most_mm: float = 50.0) -> Box:
    """Returns a rotated box whose center lies within 2 mm of a point."""
    center = near_lps + rng.uniform(-1, 1, 3)
    return Box(tuple(center), tuple(rng.uniform(least_mm, most_mm, 3)), random_direction(rng))


def voxel_centers(image: sitk.Image) -> NDArray[np.float64]:
    """Returns the LPS of every voxel, shape (k, j, i, 3), from steps that SimpleITK gives along the axes."""
    first = np.array(image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, 0.0)))
    steps = [np.array(image.TransformContinuousIndexToPhysicalPoint(u)) - first for u in np.eye(3).tolist()]
    k, j, i = np.indices(image.GetSize()[::-1])[..., None]
    return first + i * steps[0] + j * steps[1] + k * steps[2]


def corners(box: Box) -> NDArray[np.float64]:
    """Returns the 8 corners: center plus or minus each half edge."""
    half_edges = np.asarray(box.axes).T * (np.asarray(box.size_mm) / 2)[:, None]
    return np.asarray(box.center_lps) + SIGNS @ half_edges


def depth_inside(points: NDArray, box: Box) -> NDArray[np.float64]:
    """Returns the distance to the nearest of the six planes through the corners, mm, positive inside."""
    c = corners(box)
    depth = np.full(points.shape[:-1], np.inf)
    for axis in range(3):
        for sign in (-1, 1):
            a, b, d, _ = c[SIGNS[:, axis] == sign]
            normal = np.cross(b - a, d - a)
            normal /= np.linalg.norm(normal)
            normal *= np.sign(normal @ (c.mean(axis=0) - a))
            depth = np.minimum(depth, (points - a) @ normal)
    return depth
