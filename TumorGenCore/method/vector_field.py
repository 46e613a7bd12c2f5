"""SC-VFE: the spatial-constraint vector field estimator (section 2.2), v(x_t, z^m, B, t) for x = [z, m].

This is MONAI's ``DiffusionModelUNet`` with the condition as input channels. The box B has its own channel, because a
zero in the masked latents z^m is a value like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

__all__ = ["VectorField"]


class VectorField(nn.Module):
    """v_theta of section 2.2: the velocity of latent and mask together.

    Args:
        latent_channels: channels of z.
        channels: features per level; the latent grid must divide by ``2 ** (len(channels) - 1)``.
        num_res_blocks: residual blocks per level.
        attention_levels: levels with self-attention.
        num_head_channels: channels per attention head.
        norm_num_groups: groups of each GroupNorm.
        control_channels: number of tumor properties that a user can choose (see ``controls``); 0 for none.
        control_embedding: whether the controls are also added to the time embedding, which reaches every block. As
            input channels alone they had little effect in measurements: a constant over the box is small compared with
            the noise, and norms remove it.
    """

    def __init__(
        self,
        latent_channels: int = 4,
        channels: Sequence[int] = (32, 64, 128),
        num_res_blocks: int = 1,
        attention_levels: Sequence[bool] = (False, False, True),
        num_head_channels: int = 32,
        norm_num_groups: int = 8,
        control_channels: int = 0,
        control_embedding: bool = False,
    ) -> None:
        super().__init__()
        self.control_channels = control_channels
        self.unet = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=2 * latent_channels + 2 + control_channels,
            out_channels=latent_channels + 1,
            channels=tuple(channels),
            num_res_blocks=num_res_blocks,
            attention_levels=tuple(attention_levels),
            num_head_channels=num_head_channels,
            norm_num_groups=norm_num_groups,
        )
        if control_embedding:
            # MONAI adds the ``class_embedding`` of the labels to the time embedding.
            self.unet.num_class_embeds = control_channels
            self.unet.class_embedding = _ControlEmbedding(control_channels, 4 * channels[0])  # type: ignore[assignment]

    def forward(
        self,
        x_t: torch.Tensor,
        z_m: torch.Tensor,
        box: torch.Tensor,
        t: torch.Tensor,
        controls: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Estimates [v^z, v^m] = v_theta(x_t, z^m, t) of section 2.2, here with B and controls as well.

        Args:
            x_t: noisy [z, m], (n, latent + 1, k, j, i).
            z_m: latents of the patch without the box's content, (n, latent, k, j, i).
            box: B, (n, 1, k, j, i), 1 inside.
            t: time, (n,), 0 noise, 1 data.
            controls: (n, control_channels), 0 for controls that the user left open; None is 0 everywhere.

        Returns:
            Same shape as ``x_t``.
        """
        labels = None
        seen, heard_where = self.see_box(box)
        inputs = [x_t, z_m, seen]
        if self.control_channels:
            asked = x_t.new_zeros(len(x_t), self.control_channels) if controls is None else controls
            labels = asked if self.unet.num_class_embeds else None
            inputs.append(asked.reshape(-1, self.control_channels, 1, 1, 1) * heard_where)
        velocity: torch.Tensor = self.unet(torch.cat(inputs, dim=1), timesteps=t * 1000, class_labels=labels)
        return velocity

    def see_box(self, box: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the input channels show of the box; a study may override it.

        Args:
            box: B, (n, 1, k, j, i), 1 inside.

        Returns:
            The channel of the box, and the factor of the control channels in each cell; both in the shape of ``box``.
        """
        return box, box


class _ControlEmbedding(nn.Module):
    """Embedding (n, features) of controls (n, c): which controls are given, and how far they are from the usual.

    Its output starts at zero, so that a network trained without it can continue its training with it.
    """

    def __init__(self, controls: int, features: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * controls, features)
        self.last = nn.Linear(features, features)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, controls: torch.Tensor) -> torch.Tensor:
        given = (controls > 0).to(controls.dtype)
        features = torch.cat([given, given * (controls - 0.5) * 6], dim=1)
        made: torch.Tensor = self.last(nn.functional.silu(self.first(features)))
        return made
