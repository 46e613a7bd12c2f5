"""The two networks that Eq. 7 trains, SC-VFE and VMR, with shapes from the settings."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from TumorGenCore.method.controls import CONTROL_CHANNELS
from TumorGenCore.method.mask_refiner import MaskRefiner
from TumorGenCore.method.vae import PetVAE
from TumorGenCore.method.vector_field import VectorField
from TumorGenCore.training.config import AutoencoderRun, GeneratorRun
from TumorGenCore.training.stages.autoencoder import vae_arguments

__all__ = ["GeneratorNetworks", "network_arguments"]


class GeneratorNetworks(nn.Module):
    """Vector field and mask refiner under one optimizer.

    Args:
        vector_field: SC-VFE.
        mask_refiner: VMR.
    """

    def __init__(self, vector_field: VectorField, mask_refiner: MaskRefiner) -> None:
        super().__init__()
        self.vector_field = vector_field
        self.mask_refiner = mask_refiner

    def forward(
        self,
        x_t: torch.Tensor,
        z_m: torch.Tensor,
        box: torch.Tensor,
        t: torch.Tensor,
        controls: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Returns the velocity of the vector field; see ``VectorField.forward``.

        The stage itself calls the refiner, on fewer examples.

        Args:
            x_t: noisy [z, m], (n, c + 1, k, j, i).
            z_m: latents without the content of the box, (n, c, k, j, i).
            box: B, (n, 1, k, j, i).
            t: time, (n,), 0 noise, 1 data.
            controls: (n, control channels); None sets no control.

        Returns:
            v, same shape as ``x_t``.
        """
        velocity: torch.Tensor = self.vector_field(x_t, z_m, box, t, controls)
        return velocity


def network_arguments(run: GeneratorRun, vae: PetVAE, vae_run: AutoencoderRun) -> dict[str, dict[str, Any]]:
    """Returns the arguments of ``vae``, ``vector_field`` and ``mask_refiner``, in the form that a bundle stores.

    Args:
        run: settings of the generator.
        vae: VAE that provides latents and features to the networks.
        vae_run: settings of the VAE.
    """
    channels, scales = vae.feature_layout()
    return {
        "vae": vae_arguments(vae_run),
        "vector_field": {
            "latent_channels": vae.latent_channels,
            "channels": run.channels,
            "num_res_blocks": run.num_res_blocks,
            "attention_levels": run.attention_levels,
            "num_head_channels": run.num_head_channels,
            "norm_num_groups": run.norm_num_groups,
            "control_channels": CONTROL_CHANNELS if run.controlled else 0,
            "control_embedding": run.controlled,
        },
        "mask_refiner": {
            "feature_channels": channels,
            "feature_scales": scales,
            "channels": run.refiner_channels,
            "norm_num_groups": run.norm_num_groups,
            "factor": vae.factor,
        },
    }
