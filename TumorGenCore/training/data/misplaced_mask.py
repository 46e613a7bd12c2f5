"""Latent masks with the errors of a sampler: a little beside the uptake, a little too large or small, and noisy.

VMR must learn that the uptake is right and that the mask may be wrong. From true masks alone it learns to trust them.
"""

from __future__ import annotations

import torch
from torch.nn.functional import affine_grid, grid_sample

__all__ = ["NOISE", "misplaced"]

#: Standard deviation of the mask's scale (natural logarithm) per cell of misplacement.
_SCALE_PER_CELL = 0.3
#: Standard deviation of the noise, on the mask's scale of -1 to 1.
NOISE = 0.3


def misplaced(mask: torch.Tensor, cells: float, generator: torch.Generator, noise: float = NOISE) -> torch.Tensor:
    """Shifts each mask, scales it about its own center and adds noise.

    Args:
        mask: m, (n, 1, k, j, i), -1 to 1.
        cells: standard deviation of the shift along each axis, in latent cells; 0 leaves the masks in place.
        generator: random generator on the CPU, so that devices agree.
        noise: standard deviation of the noise, on the mask's scale.

    Returns:
        The masks, (n, 1, k, j, i); values may lie outside -1 to 1.
    """
    added = noise * torch.randn(mask.shape, generator=generator).to(mask.device)
    if not cells:
        return mask + added
    shift = cells * torch.randn(len(mask), 3, generator=generator)
    zoom = torch.exp(-cells * _SCALE_PER_CELL * torch.randn(len(mask), generator=generator))
    edges = torch.tensor(mask.shape[:1:-1], dtype=torch.float32)  # i, j, k: as grid_sample's x, y, z
    center = _centers(mask).cpu()
    # A cell x of the new mask takes its value from the old one at zoom (x - center - shift) + center, in [-1, 1].
    offset = (1 - zoom[:, None]) * center - zoom[:, None] * shift * 2 / edges
    matrix = torch.cat([zoom[:, None, None] * torch.eye(3), offset[..., None]], dim=2)
    grid = affine_grid(matrix.to(mask), list(mask.shape), align_corners=False)
    return grid_sample(mask, grid, padding_mode="border", align_corners=False) + added


def _centers(mask: torch.Tensor) -> torch.Tensor:
    """Center of each mask's tumor along i, j, k, (n, 3), in [-1, 1] over the grid; 0 without a tumor."""
    occupied = (mask[:, 0] + 1) / 2
    total = occupied.sum(dim=(1, 2, 3)).clamp_min(1e-6)
    found = []
    for axis in (3, 2, 1):
        edge = occupied.shape[axis]
        at = (2 * torch.arange(edge, device=mask.device) + 1) / edge - 1
        others = tuple(a for a in (1, 2, 3) if a != axis)
        found.append((occupied.sum(dim=others) * at).sum(dim=1) / total)
    return torch.stack(found, dim=1)
