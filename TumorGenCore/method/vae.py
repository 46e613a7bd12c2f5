"""The 3D KL-VAE: patch -> latents (4 channels, a quarter of each edge) -> patch, with decoder features for the VMR.

MONAI's ``AutoencoderKL`` does the work. With ``space_to_depth=2`` its first level runs at half resolution, which
takes a third of the time of a full-resolution level on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.blocks import UpSample
from monai.networks.nets import AutoencoderKL
from torch import nn

__all__ = ["PetVAE", "fold", "unfold"]


class PetVAE(nn.Module):
    """E and D of section 2 of the paper: a KL-VAE around ``monai.networks.nets.AutoencoderKL``.

    Args:
        channels: features per level; after the space-to-depth, the edges are halved ``len(channels) - 1`` times.
        num_res_blocks: residual blocks per level.
        latent_channels: channels of z.
        norm_num_groups: groups of each GroupNorm.
        space_to_depth: edge of the voxel block that the input folds into channels (1: none).
        use_convtranspose: whether the decoder upsamples with a transposed convolution; otherwise it uses trilinear
            upsampling and a convolution, as MAISI does.
    """

    def __init__(
        self,
        channels: Sequence[int] = (24, 48),
        num_res_blocks: Sequence[int] = (1, 2),
        latent_channels: int = 4,
        norm_num_groups: int = 8,
        space_to_depth: int = 2,
        use_convtranspose: bool = True,
    ) -> None:
        super().__init__()
        folded = space_to_depth**3
        self.space_to_depth = space_to_depth
        self.latent_channels = latent_channels
        self.factor = space_to_depth * 2 ** (len(channels) - 1)
        self.autoencoder = AutoencoderKL(
            spatial_dims=3,
            in_channels=folded,
            out_channels=folded,
            channels=tuple(channels),
            num_res_blocks=tuple(num_res_blocks),
            attention_levels=(False,) * len(channels),
            latent_channels=latent_channels,
            norm_num_groups=norm_num_groups,
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
            use_convtranspose=use_convtranspose,
        )
        if not use_convtranspose:
            for block in self._decoder_blocks():
                if isinstance(block, UpSample):  # MONAI's upsampling repeats the nearest voxel.
                    block.upsample_non_trainable = nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)

    def posterior(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of q(z | x).

        Args:
            x: patch on the network scale, (n, 1, k, j, i).

        Returns:
            Two tensors, each (n, latent, k/4, j/4, i/4).
        """
        mean, deviation = self.autoencoder.encode(fold(x, self.space_to_depth))
        return mean, deviation

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """z_1 = E(I), the posterior mean. A sample would only add noise that the vector field cannot learn.

        Shapes are those of ``posterior``.
        """
        return self.posterior(x)[0]

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """I' = D(z) on the network scale: (n, latent, k, j, i) -> (n, 1, 4k, 4j, 4i)."""
        return self.decode_with_features(z)[0]

    def decode_with_features(self, z: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """D(z) and the decoder features f1, f2, f3 that guide the mask refiner (section 2.3).

        Args:
            z: (n, latent, k, j, i).

        Returns:
            D(z) as in ``decode``, and three features (n, c, s k, s j, s i); ``feature_layout`` gives their c and s.
        """
        h = self.autoencoder.post_quant_conv(z)
        features: list[torch.Tensor] = []
        taps = self._feature_taps()
        for index, block in enumerate(self._decoder_blocks()):
            h = block(h)
            if index in taps:
                features.append(h)
        return unfold(h, self.space_to_depth), features

    def _decoder_blocks(self) -> list[nn.Module]:
        return list(self.autoencoder.decoder.blocks)  # type: ignore[arg-type]

    def _feature_taps(self) -> list[int]:
        """Indices of the decoder blocks whose outputs are f1, f2, f3, from coarse to fine.

        These are the last block before each upsampling and the last before the final norm. If there are only two, the
        first block, on the latent grid, comes before them. If there are more than three, the three finest are used.
        """
        blocks = self._decoder_blocks()
        ends = [n - 1 for n, block in enumerate(blocks) if isinstance(block, UpSample)] + [len(blocks) - 3]
        return ends[-3:] if len(ends) >= 3 else [0, *ends]

    def feature_layout(self) -> tuple[list[int], list[int]]:
        """Returns the channels of f1, f2, f3, and their edges in units of the latent grid."""
        with torch.inference_mode():
            edge = 4
            features = self.decode_with_features(torch.zeros(1, self.latent_channels, edge, edge, edge))[1]
        return [f.shape[1] for f in features], [f.shape[2] // edge for f in features]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Reconstructs a patch from one sample of the posterior, for training.

        Args:
            x: patch on the network scale, (n, 1, k, j, i).

        Returns:
            The reconstruction, in the shape of x, and the mean and standard deviation of the posterior.
        """
        mean, deviation = self.posterior(x)
        return self.decode(self.autoencoder.sampling(mean, deviation)), mean, deviation


def fold(x: torch.Tensor, edge: int) -> torch.Tensor:
    """Space to depth: (n, c, k, j, i) -> (n, c edge^3, k/edge, j/edge, i/edge); ``edge`` divides k, j and i."""
    if edge == 1:
        return x
    n, c, k, j, i = x.shape
    x = x.reshape(n, c, k // edge, edge, j // edge, edge, i // edge, edge)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(n, c * edge**3, k // edge, j // edge, i // edge)


def unfold(x: torch.Tensor, edge: int) -> torch.Tensor:
    """Depth to space, the inverse of ``fold``: (n, c edge^3, k, j, i) -> (n, c, edge k, edge j, edge i)."""
    if edge == 1:
        return x
    n, c, k, j, i = x.shape
    x = x.reshape(n, c // edge**3, edge, edge, edge, k, j, i)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, c // edge**3, k * edge, j * edge, i * edge)
