"""Makes a ball on a grid of any direction, and boxes around the ball."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.volumes.geometry import Box, Grid

TILT = (35.0, 20.0, 10.0)


def rotation(degrees: tuple[float, float, float] = TILT) -> np.ndarray:
    transform = sitk.Euler3DTransform()
    transform.SetRotation(*np.radians(degrees))
    return np.asarray(transform.GetMatrix()).reshape(3, 3)


def make_case(direction: np.ndarray, box: Box) -> tuple[sitk.Image, sitk.Image, sitk.Image]:
    """Returns before, after and mask on a grid centered on the origin; a ball of radius 12 mm is at the box center."""
    size, spacing = np.array([40, 36, 30]), np.array([4.0, 4.0, 5.0])
    origin = -direction @ (spacing * (size - 1) / 2)
    grid = Grid(tuple(size.tolist()), tuple(spacing), tuple(origin), tuple(map(tuple, direction)))
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid.index_to_lps(ijk) - box.center_lps, axis=-1).transpose(2, 1, 0)
    mask = (distance < 12).astype(np.uint8)
    before = np.ones(mask.shape, dtype=np.float32)
    return tuple(grid.image_from_array(array) for array in (before, before + 8 * mask, mask))


BOXES = {
    "straight": Box((5.0, -4.0, 6.0), (40.0, 36.0, 44.0)),
    "rotated": Box((5.0, -4.0, 6.0), (40.0, 36.0, 44.0), tuple(map(tuple, rotation((10, 50, -30))))),
    "partly outside": Box((70.0, 0.0, 0.0), (60.0, 40.0, 40.0)),
}
DIRECTIONS = {"identity": np.eye(3), "oblique": rotation(), "left-handed": np.diag([1.0, 1.0, -1.0])}
