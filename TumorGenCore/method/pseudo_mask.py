"""BA-PMG: boundary-aware pseudo-mask generation (section 2.1 of the paper).

It moves each of the six faces of a tight box B' around the tumor outward by a random offset: B = B' + d,
d ~ U(0, alpha D_i). Here B is a physical box. So the box of training and the box that a user draws are the same thing
and go through the same working patch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.volumes.geometry import Box

__all__ = ["BoxOffsets", "expand_box", "fill_box", "latent_condition", "tight_box"]


@dataclass(frozen=True)
class BoxOffsets:
    """Distribution of the offsets d.

    Args:
        alpha: largest offset, as a share of the reference dimension D_i along that axis.
        least_mm: smallest offset of each face. The scanner's blur spreads uptake beyond the tumor; this uptake must lie
            inside the box too, or the condition would show where the tumor was.
        least_alpha: if given, alpha is drawn for each box from ``least_alpha`` to ``alpha``, so that some boxes are
            tight and some are wide. None uses one alpha, as the paper does.
    """

    alpha: float = 0.25
    least_mm: float = 4.0
    least_alpha: float | None = None


def tight_box(points_lps: NDArray, axes: NDArray, voxel_mm: float) -> Box:
    """B': the smallest box with the given axes around the tumor's voxel centers.

    Args:
        points_lps: tumor voxel centers, shape (n, 3), LPS mm.
        axes: 3x3, columns are the box's axes in LPS.
        voxel_mm: added once to each edge, because voxels are not points.

    Raises:
        TrainingDataError: there is no tumor voxel.
    """
    if len(points_lps) == 0:
        raise TrainingDataError("A mask without a tumor voxel has no box; leave the case out or correct its mask.")
    along = np.asarray(points_lps) @ axes
    low, high = along.min(axis=0) - voxel_mm / 2, along.max(axis=0) + voxel_mm / 2
    center = axes @ ((low + high) / 2)
    rows = tuple(tuple(float(v) for v in row) for row in axes)
    return Box(tuple(center.tolist()), tuple((high - low).tolist()), rows)  # type: ignore[arg-type]


def expand_box(
    tight: Box, dimensions_mm: tuple[float, float, float], offsets: BoxOffsets, rng: np.random.Generator
) -> Box:
    """B = B' + d with d_i ~ U(0, alpha D_i) on each face, plus a smallest margin.

    Args:
        tight: B', see ``tight_box``.
        dimensions_mm: D_i of the paper: extent of the image along the box's axes.
        offsets: alpha and the smallest margin.
        rng: source of the six offsets.
    """
    alpha = offsets.alpha if offsets.least_alpha is None else rng.uniform(offsets.least_alpha, offsets.alpha)
    d = rng.uniform(0, 1, size=(2, 3)) * alpha * np.asarray(dimensions_mm) + offsets.least_mm
    center = tight.to_lps((d[1] - d[0]) / 2)
    size = np.asarray(tight.size_mm) + d.sum(axis=0)
    return Box(tuple(center.tolist()), tuple(size.tolist()), tight.axes)  # type: ignore[arg-type]


def fill_box(patch: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Replaces the box's content with a smooth continuation of the voxels outside, before encoding.

    The paper masks after encoding, z^m = (1 - B) E(I) (section 2.1). The encoder's receptive field then carries the
    tumor into latents outside the box. Here the result depends only on voxels outside the box, so nothing leaks. The
    continuation is a pull-push pyramid: averages of known voxels at growing scales fill the gaps of finer scales.

    Args:
        patch: (n, c, k, j, i); k, j and i are multiples of 16.
        inside: (n, 1, k, j, i), above 0 wherever the box touches a voxel.

    Returns:
        Same shape as ``patch``; voxels with ``inside`` = 0 unchanged.
    """
    known = (inside <= 0).to(patch.dtype)
    return patch * known + _pull_push(patch * known, known) * (1 - known)


def latent_condition(
    encode: Callable[[torch.Tensor], torch.Tensor], patch: torch.Tensor, inside: torch.Tensor
) -> torch.Tensor:
    """z^m of section 2.1: what the vector field may know about the surroundings.

    Args:
        encode: E, from (n, 1, k, j, i) to (n, c, k/4, j/4, i/4).
        patch: I on the network scale, (n, 1, k, j, i).
        inside: share of each voxel inside the box, (n, 1, k, j, i).

    Returns:
        z^m, (n, c, k/4, j/4, i/4).
    """
    return encode(fill_box(patch, inside))


def _pull_push(weighted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean of the known voxels, or the mean of the next coarser scale if none is known."""
    here = weighted / weight.clamp_min(1e-6)
    if min(weight.shape[2:]) < 2:
        mean = weighted.sum((2, 3, 4), keepdim=True) / weight.sum((2, 3, 4), keepdim=True).clamp_min(1e-6)
        return torch.where(weight > 0, here, mean)
    coarse = _pull_push(F.avg_pool3d(weighted, 2, ceil_mode=True), F.avg_pool3d(weight, 2, ceil_mode=True))
    up = F.interpolate(coarse, size=weight.shape[2:], mode="trilinear", align_corners=False)
    trust = weight.clamp(0, 1)
    return here * trust + up * (1 - trust)
