"""VMR: the VAE-guided mask refiner (section 2.3). It turns the latent mask into a soft mask at patch resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from TumorGenCore.method.vae import unfold

__all__ = ["MaskRefiner"]


class MaskRefiner(nn.Module):
    """Adds the decoder's features f'1, f'2, f'3 to its own q1, q2, q3 (element-wise), then predicts M'.

    q1 and q2 lie on the latent grid, q3 has half the patch resolution. The last step is a depth-to-space.

    Args:
        feature_channels: channels of the decoder features f1, f2, f3.
        feature_scales: edges of f1, f2, f3 in units of the latent grid.
        channels: channels of the refiner's own layers.
        norm_num_groups: groups of each GroupNorm.
        factor: patch resolution divided by latent resolution.
    """

    def __init__(
        self,
        feature_channels: Sequence[int] = (48, 48, 24),
        feature_scales: Sequence[int] = (1, 1, 2),
        channels: int = 16,
        norm_num_groups: int = 8,
        factor: int = 4,
    ) -> None:
        super().__init__()
        self.scales = tuple(feature_scales)
        self.guides = nn.ModuleList(nn.Conv3d(c, channels, 1) for c in feature_channels)
        self.first = nn.Conv3d(1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(_block(channels, norm_num_groups) for _ in self.scales)
        self.last_edge = factor // self.scales[-1]
        self.last = nn.Conv3d(channels, self.last_edge**3, 3, padding=1)

    def forward(self, mask: torch.Tensor, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits of M'.

        Args:
            mask: m^, (n, 1, k, j, i) on the latent grid, -1 to 1.
            features: f1, f2, f3 of the decoder, see ``PetVAE.decode_with_features``.

        Returns:
            (n, 1, factor k, factor j, factor i); its sigmoid is the tumor probability.
        """
        q = self.first(mask)
        at = 1
        for scale, guide, feature, block in zip(self.scales, self.guides, features, self.blocks, strict=True):
            if scale != at:
                q = nn.functional.interpolate(q, scale_factor=scale / at, mode="trilinear", align_corners=False)
                at = scale
            q = block(q + guide(feature))
        return unfold(self.last(q), self.last_edge)


def _block(channels: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.GroupNorm(groups, channels),
        nn.SiLU(),
        nn.Conv3d(channels, channels, 3, padding=1),
        nn.GroupNorm(groups, channels),
        nn.SiLU(),
    )
