"""Cached latents: examples are made and encoded once, then SC-VFE trains on their tensors many times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from TumorGenCore.bundle.disk_errors import named_disk_errors
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.training.data.examples_ahead import examples_ahead
from TumorGenCore.training.data.latent_encoder import LatentEncoder
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["LatentCache", "occupancy"]


def occupancy(mask: torch.Tensor, factor: int) -> torch.Tensor:
    """Returns m_1: tumor share of each latent cell, scaled to [-1, 1]. Nearest neighbor would lose small tumors.

    Args:
        mask: M, (n, 1, k, j, i), 0 to 1.
        factor: voxels along each axis of a cell.

    Returns:
        m_1, (n, 1, k/factor, j/factor, i/factor).
    """
    return torch.nn.functional.avg_pool3d(mask, factor) * 2 - 1


@dataclass
class LatentCache:
    """Encoded examples of one patch size.

    Args:
        z_1, z_m: latents, (n, c, k, j, i), float16, not yet normalized.
        box: B on the latent grid, (n, 1, k, j, i), float16.
        mask: M, (n, 1, 4k, 4j, 4i), uint8.
        controls: measured controls of the tumors, see ``TumorControls.encode``, (n, 2), float16.
    """

    z_1: torch.Tensor
    z_m: torch.Tensor
    box: torch.Tensor
    mask: torch.Tensor
    controls: torch.Tensor

    @classmethod
    def build(
        cls, path: Path, encoder: LatentEncoder, maker: ExampleMaker, size: int, count: int, quiet: bool = False
    ) -> LatentCache:
        """Reads the cache at ``path`` if its fingerprint fits; otherwise makes the cache and writes it there.

        Args:
            path: safetensors file.
            encoder: encoder of the examples.
            maker: maker of the examples.
            size: voxels along each axis of a patch.
            count: number of examples.
            quiet: show no progress bar.
        """
        fingerprint = encoder.fingerprint(maker, size, count)
        if path.exists() and _fingerprint_of(path) == fingerprint:
            return cls(**load_file(path))
        examples = tqdm(examples_ahead(maker, size, count), f"encoding {size}^3 patches", count, disable=quiet)
        parts = [encoder.encode(example) for example in examples]
        tensors = {name: torch.cat([part[name] for part in parts]).contiguous() for name in parts[0]}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, named_disk_errors(path):
            save_file(tensors, temporary, {"fingerprint": fingerprint})
        return cls(**tensors)

    def __len__(self) -> int:
        return len(self.z_1)

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of z_1, each with one number per channel."""
        z = self.z_1.float()
        return z.mean((0, 2, 3, 4)).tolist(), z.std((0, 2, 3, 4)).tolist()

    def batch(
        self, indices: list[int], mean: torch.Tensor, deviation: torch.Tensor, factor: int
    ) -> dict[str, torch.Tensor]:
        """Returns some examples, normalized, float32.

        Args:
            indices: indices of n examples.
            mean: mean of the latents, (1, c, 1, 1, 1).
            deviation: standard deviation of the latents, same shape.
            factor: voxels along each axis of a latent cell.

        Returns:
            ``x_1`` = [z_1, m_1], (n, c + 1, k, j, i); ``z_m``, (n, c, k, j, i); ``box``, (n, 1, k, j, i); ``mask``,
            (n, 1, 4k, 4j, 4i); ``controls``, (n, 2).
        """
        mask = self.mask[indices].float()
        z_1 = (self.z_1[indices].float() - mean) / deviation
        return {
            "x_1": torch.cat([z_1, occupancy(mask, factor)], dim=1),
            "z_m": (self.z_m[indices].float() - mean) / deviation,
            "box": self.box[indices].float(),
            "mask": mask,
            "controls": self.controls[indices].float(),
        }


def _fingerprint_of(path: Path) -> str:
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("fingerprint", "")
