"""MONAI's tensors as volumes: channel first, axes (channel, i, j, k), with an affine from ijk to RAS mm.

A ``MetaTensor`` has the affine in RAS, unless its entry ``space`` says LPS. All else in TumorGen is LPS, with arrays in
(k, j, i), so this is the only place that turns one into the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Grid, ras_to_lps
from TumorGenCore.volumes.suv import units_of_image
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["check_same_grid", "grid_of", "volume_of", "voxels_of", "write_block"]

#: Types of voxels that TumorGen reads; ITK has no half precision.
_TYPES = {torch.float32, torch.float64, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
#: Largest distance of voxels that counts as the same place, mm.
_SAME_MM = 0.01


def volume_of(image: Any, key: str, suv_factor: float | None) -> PetVolume:
    """Returns a tensor as a checked volume.

    Args:
        image: tensor of one channel with its affine.
        key: its key, for messages.
        suv_factor: factor from voxel values to SUV; None takes the values as SUV.

    Warns:
        UnknownUnitsWarning: see ``units_of_image``.

    Raises:
        UnsupportedVolumeError: it has no affine, not one channel, not three dimensions, another type, NaN or Inf.
    """
    grid = grid_of(image, key)
    if image.dtype not in _TYPES:
        raise UnsupportedVolumeError(
            f"{key!r} has voxels of {image.dtype}, which TumorGen cannot read. Insert tumors before the cast to half "
            "precision."
        )
    itk = grid.image_from_array(np.ascontiguousarray(voxels_of(image)))
    return PetVolume(itk, units_of_image(itk, suv_factor))


def grid_of(image: Any, key: str) -> Grid:
    """Returns the grid of a tensor of one channel; see ``volume_of``."""
    _check_shape(image, key)
    if not isinstance(image, MetaTensor):
        raise UnsupportedVolumeError(
            f"{key!r} is a {type(image).__name__} without an affine, so its voxels have no place. Load it with "
            "LoadImaged, or make a MetaTensor with its affine."
        )
    matrix = image.affine.detach().cpu().numpy().astype(np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) == 0:
        raise UnsupportedVolumeError(f"The affine of {key!r} gives its voxels no place: {matrix.tolist()}. Correct it.")
    if str(image.meta.get("space", "RAS")).rpartition(".")[2] != "LPS":
        matrix = ras_to_lps(matrix[:3].T).T
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    i, j, k = image.shape[1:]
    rows = (matrix[:3, :3] / spacing).tolist()
    return Grid((i, j, k), tuple(spacing.tolist()), tuple(matrix[:3, 3].tolist()), tuple(map(tuple, rows)))  # type: ignore[arg-type]


def check_same_grid(other: Any, key: str, grid: Grid, of: str) -> None:
    """Refuses a label or region that does not lie on the grid of the image; one without an affine needs its shape.

    Args:
        other: tensor or array of one channel.
        key: its key, for messages.
        grid: grid of the image.
        of: key of the image.

    Raises:
        UnsupportedVolumeError: it has not one channel, another shape or another affine.
    """
    _check_shape(other, key)
    if tuple(other.shape[1:]) != grid.size_ijk:
        raise UnsupportedVolumeError(
            f"{key!r} has {tuple(other.shape[1:])} voxels and {of!r} has {grid.size_ijk}. Resample one to the other."
        )
    if isinstance(other, MetaTensor):
        apart = np.abs(grid_of(other, key).corners_lps - grid.corners_lps).max()
        if apart > _SAME_MM:
            raise UnsupportedVolumeError(
                f"{key!r} lies up to {apart:.3g} mm away from {of!r}. Resample one to the other."
            )


def voxels_of(tensor: Any) -> NDArray:
    """Returns the voxels of a tensor or array of one channel, (k, j, i); a view if it lies on the CPU."""
    array = tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else np.asarray(tensor)
    return array[0].transpose(2, 1, 0)


def write_block(tensor: Any, block: NDArray, start_ijk: Sequence[int], where: NDArray[np.bool_] | None = None) -> None:
    """Writes a block into a tensor or array of one channel, in place.

    Args:
        tensor: changed in place.
        block: the new voxels, (k, j, i).
        start_ijk: their first voxel.
        where: voxels to write, same shape; None writes all.
    """
    i, j, k = (slice(a, a + n) for a, n in zip(start_ijk, block.shape[::-1], strict=True))
    values = np.ascontiguousarray(block.transpose(2, 1, 0))
    chosen = np.ones_like(values, bool) if where is None else np.ascontiguousarray(where.transpose(2, 1, 0))
    if isinstance(tensor, torch.Tensor):
        there = (tensor.as_tensor() if isinstance(tensor, MetaTensor) else tensor)[0, i, j, k]
        at = torch.from_numpy(chosen).to(there.device)
        there[at] = torch.from_numpy(values).to(there)[at]
    else:
        tensor[0, i, j, k][chosen] = values[chosen]


def _check_shape(tensor: Any, key: str) -> None:
    shape = tuple(getattr(tensor, "shape", ()))
    if len(shape) != 4 or shape[0] != 1 or min(shape) < 1:
        raise UnsupportedVolumeError(
            f"{key!r} has the shape {shape}, but TumorGen needs one channel and three dimensions. Use "
            "EnsureChannelFirstd, and choose one channel."
        )
