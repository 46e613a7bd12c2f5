"""Encoding of examples for the training of the generator: latents, condition, box, mask and controls."""

from __future__ import annotations

import hashlib
from typing import ClassVar

import numpy as np
import torch

from TumorGenCore.method.controls import measure_controls
from TumorGenCore.method.intensity import NetworkScale
from TumorGenCore.method.pseudo_mask import latent_condition
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.training.data.examples import Example, ExampleMaker

__all__ = ["LatentEncoder"]


class LatentEncoder:
    """Encodes examples with a frozen VAE.

    Args:
        vae: the VAE, whose encoder is E.
        scale: conversion of SUV to the network scale.
    """

    #: How ``condition`` computes z^m, for the fingerprint of a cache.
    condition_name: ClassVar[str] = "before"

    def __init__(self, vae: PetVAE, scale: NetworkScale) -> None:
        self.vae = vae
        self.scale = scale

    def condition(
        self, patch: torch.Tensor, inside: torch.Tensor, z_1: torch.Tensor, box: torch.Tensor
    ) -> torch.Tensor:
        """Returns z^m, which shows the generator the surroundings of the box; see ``pseudo_mask.latent_condition``.

        Args:
            patch: patch on the network scale, (1, 1, k, j, i).
            inside: share of each voxel inside the box, same shape.
            z_1: latents of the patch, (1, c, k/4, j/4, i/4).
            box: B, share of each latent cell inside the box, (1, 1, k/4, j/4, i/4).

        Returns:
            z^m, same shape as z_1.
        """
        return latent_condition(self.vae.encode, patch, inside)

    def encode(self, example: Example) -> dict[str, torch.Tensor]:
        """Returns the fields of ``LatentCache`` for one example, n = 1.

        Args:
            example: example whose patch edges are multiples of the VAE's factor.

        Returns:
            ``z_1``, ``z_m``, ``box``, ``mask`` and ``controls``.
        """
        coverage = example.patch.box_coverage()
        patch, inside = (torch.from_numpy(array)[None, None] for array in (example.suv, coverage))
        patch = self.scale.to_network(patch)
        box = torch.from_numpy(example.patch.box_coverage(self.vae.factor))[None, None]
        with torch.inference_mode():
            z_1 = self.vae.encode(patch)
            z_m = self.condition(patch, inside, z_1, box)
        return {
            "z_1": z_1.half(),
            "z_m": z_m.half(),
            "box": box.half(),
            "mask": torch.from_numpy(example.mask.astype(np.uint8))[None, None],
            "controls": measure_controls(example.suv, example.mask, coverage).encode(self.scale).half(),
        }

    def fingerprint(self, maker: ExampleMaker, size: int, count: int) -> str:
        """Returns a hash of everything that decides a cache, except the voxels of the cases.

        Args:
            maker: maker of the examples.
            size: voxels along each axis of a patch.
            count: number of examples.

        Returns:
            sha256, 64 hex digits.
        """
        digest = hashlib.sha256()
        for tensor in self.vae.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
        names = [case.name for case in maker.cases]
        made_by = (
            self.scale, names, maker.patch_settings, maker.offsets, maker.settings, maker.seed,
            size, count, self.condition_name, [(shape.kind, shape.patient) for shape in maker.shapes],
        )  # fmt: skip
        digest.update(repr(made_by).encode())
        return digest.hexdigest()
