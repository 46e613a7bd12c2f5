"""Cached latents: examples are made and encoded once, then SC-VFE trains on tensors a few thousand times."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tqdm.auto import tqdm

from TumorGenCore.method.controls import measure_controls
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.pseudo_mask import latent_condition
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.data.examples import Example, ExampleMaker
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["LatentCache", "occupancy"]


def occupancy(mask: torch.Tensor, factor: int) -> torch.Tensor:
    """m_1: the share of each latent cell that is tumor, scaled to [-1, 1]; (n, 1, k, j, i) -> a quarter per axis.

    Nearest neighbor would lose small tumors.
    """
    return torch.nn.functional.avg_pool3d(mask, factor) * 2 - 1


def _fingerprint(vae: PetVAE, scale: NetworkScale, maker: ExampleMaker, *others: object) -> str:
    """Hash of all that decides a cache, but for the voxels of the cases."""
    digest = hashlib.sha256()
    for tensor in vae.state_dict().values():
        digest.update(tensor.cpu().numpy().tobytes())
    names = [case.name for case in maker.cases]
    made_by = (scale, names, maker.patch_settings, maker.offsets, maker.settings, maker.seed, *others)
    digest.update(repr(made_by).encode())
    return digest.hexdigest()


def _fingerprint_of(path: Path) -> str:
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("fingerprint", "")


def _made_ahead(maker: ExampleMaker, size: int, count: int) -> Iterator[Example]:
    """Examples in order; the next are made by other processes while the caller encodes this one."""
    processes = min(os.cpu_count() or 1, count // _WORTH_A_PROCESS)
    if processes < 1:
        yield from (maker.example(index, size) for index in range(count))
        return
    start = get_context("spawn")  # A forked process would inherit PyTorch's threads in an unknown state.
    with ProcessPoolExecutor(processes, start, _keep, (maker,)) as pool:
        upcoming = deque(pool.submit(_make, index, size) for index in range(min(count, 4 * processes)))
        try:
            for index in range(len(upcoming), count + len(upcoming)):
                yield upcoming.popleft().result()
                if index < count:
                    upcoming.append(pool.submit(_make, index, size))
        finally:
            pool.shutdown(cancel_futures=True)


#: Examples that make up for a process's start.
_WORTH_A_PROCESS = 100
_kept: list[ExampleMaker] = []


def _keep(maker: ExampleMaker) -> None:
    """In a process of the pool: the maker is sent once, not with every example."""
    _kept[:] = [maker]


def _make(index: int, size: int) -> Example:
    return _kept[0].example(index, size)


@dataclass
class LatentCache:
    """Encoded examples of one patch size.

    Args:
        z_1, z_m: latents, (n, c, k, j, i), float16, not yet normalized.
        box: B on the latent grid, (n, 1, k, j, i), float16.
        mask: M, (n, 1, 4k, 4j, 4i), uint8.
        controls: what the tumors are like, see ``TumorControls.encode``, (n, 2), float16.
    """

    z_1: torch.Tensor
    z_m: torch.Tensor
    box: torch.Tensor
    mask: torch.Tensor
    controls: torch.Tensor

    @classmethod
    def build(
        cls,
        path: Path,
        vae: PetVAE,
        scale: NetworkScale,
        maker: ExampleMaker,
        size: int,
        count: int,
        condition: str,
        quiet: bool = False,
    ) -> LatentCache:
        """Read the cache at ``path`` if it was made from the same, or make it and write it there."""
        fingerprint = _fingerprint(vae, scale, maker, size, count, condition)
        if path.exists() and _fingerprint_of(path) == fingerprint:
            return cls(**load_file(path))
        parts: dict[str, list[torch.Tensor]] = {name: [] for name in ("z_1", "z_m", "box", "mask", "controls")}
        for example in tqdm(_made_ahead(maker, size, count), f"encoding {size}^3 patches", count, disable=quiet):
            patch = scale.to_network(torch.from_numpy(example.suv)[None, None])
            box = torch.from_numpy(example.patch.box_coverage(vae.factor))[None, None]
            coverage = example.patch.box_coverage()
            inside = torch.from_numpy(coverage)[None, None]
            with torch.inference_mode():
                z_1 = vae.encode(patch)
                z_m = latent_condition(vae.encode, patch, inside, z_1, box, condition)
            parts["z_1"].append(z_1.half())
            parts["z_m"].append(z_m.half())
            parts["box"].append(box.half())
            parts["mask"].append(torch.from_numpy(example.mask.astype(np.uint8))[None, None])
            parts["controls"].append(measure_controls(example.suv, example.mask, coverage).encode(scale).half())
        tensors = {name: torch.cat(values).contiguous() for name, values in parts.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(tensors, temporary, {"fingerprint": fingerprint})
        return cls(**tensors)

    def __len__(self) -> int:
        return len(self.z_1)

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and deviation of z_1 per channel."""
        z = self.z_1.float()
        return z.mean((0, 2, 3, 4)).tolist(), z.std((0, 2, 3, 4)).tolist()

    def batch(
        self, indices: list[int], mean: torch.Tensor, deviation: torch.Tensor, factor: int
    ) -> dict[str, torch.Tensor]:
        """Normalized float32 tensors: ``x_1`` = [z_1, m_1], ``z_m``, ``box``, ``mask``, ``controls``."""
        mask = self.mask[indices].float()
        z_1 = (self.z_1[indices].float() - mean) / deviation
        return {
            "x_1": torch.cat([z_1, occupancy(mask, factor)], dim=1),
            "z_m": (self.z_m[indices].float() - mean) / deviation,
            "box": self.box[indices].float(),
            "mask": mask,
            "controls": self.controls[indices].float(),
        }
