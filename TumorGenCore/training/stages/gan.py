"""A 3D GAN of whole patches in HA-GAN's manner (Sun et al., IEEE JBHI 2022), small enough for two CPU cores.

From one random vector, a trunk makes features of the whole patch on a grid of a quarter of its edge. One head turns
them into the whole patch at half resolution. Another head turns a part of them into a sub-volume at full resolution, of
half the edge. Each head has its own critic, so a training step never computes the whole patch at full resolution. Two
encoders lead from a patch back to the features and to the vector.

Unlike HA-GAN, this GAN

- makes the mask as a second channel, because a comparison needs it,
- makes patches of several sizes, whose features are resampled from those of one size,
- trains all parts in one step, and its generator by the reconstructions too, which keeps a short training stable,
- brings all vectors to one length, so that the encoder gives vectors like the random ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from monai.losses import PatchAdversarialLoss
from monai.networks.blocks import ResidualUnit, SubpixelUpSample, UpSample
from monai.networks.nets import Generator, PatchDiscriminator
from torch import nn
from torch.func import functional_call

__all__ = ["CELL", "Corner", "HierarchicalGan", "draw_vectors"]

#: First cell of a sub-volume along k, j, i.
Corner = tuple[int, int, int]

#: Voxels of a patch along each axis of a cell of the features.
CELL = 4
#: Image and mask.
_CHANNELS = 2
#: Cells along each axis from which the trunk starts, and to which the encoder comes down.
_START = 4
#: Length of the random vector.
_VECTOR = 128
#: Patch edge that the trunk sees as 1.
_USUAL_EDGE = 48
#: Weight of the reconstructions, as in HA-GAN.
_RECONSTRUCTION = 5.0


class HierarchicalGan(nn.Module):
    """Trunk, heads, encoders and critics. Patches have image and mask as channels, both about -1 to 1.

    Args:
        channels: features on the grid of the cells; on a grid twice as fine half as many.
        norm_num_groups: groups of each GroupNorm.
    """

    def __init__(self, channels: int = 48, norm_num_groups: int = 8) -> None:
        super().__init__()
        self._norm = ("group", {"num_groups": norm_num_groups})
        fine = channels // 2
        start = (channels, _START, _START, _START)
        # One more number than the vector: the size of the patch.
        self.trunk = Generator((_VECTOR + 1,), start, (channels,), (2,), norm=self._norm)
        self.whole_head = self._head(channels)
        self.part_head = nn.Sequential(
            UpSample(3, channels, fine, mode="nontrainable", interp_mode="trilinear", align_corners=False),
            self._head(fine),
        )
        self.part_encoder = self._encoder((_CHANNELS, fine, channels))
        self.whole_encoder = nn.Sequential(
            self._encoder((channels, channels)),
            nn.AdaptiveAvgPool3d(_START),
            nn.Flatten(),
            nn.Linear(channels * _START**3, _VECTOR),
        )
        self.whole_critic, self.part_critic = (
            PatchDiscriminator(3, channels // 4, _CHANNELS, num_layers_d=2, norm=self._norm, last_conv_kernel_size=1)
            for _ in range(2)
        )
        # Least squares: its gradient does not vanish when a critic is sure.
        self.adversarial = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)

    def _head(self, channels: int) -> nn.Sequential:
        """Makes image and mask on a grid twice as fine; features on the fine grid would take most of a step's time."""
        unit = ResidualUnit(3, channels, channels, norm=self._norm)
        return nn.Sequential(unit, SubpixelUpSample(3, channels, _CHANNELS, apply_pad_pool=False), nn.Tanh())

    def _encoder(self, channels: Sequence[int]) -> nn.Sequential:
        units = (ResidualUnit(3, n, m, strides=2, subunits=1, norm=self._norm) for n, m in pairwise(channels))
        return nn.Sequential(*units)

    def features(self, z: torch.Tensor, edge: int) -> torch.Tensor:
        """Returns the features of a whole patch.

        Args:
            z: random vectors, (n, 128), from ``draw_vectors``.
            edge: voxels along each axis of the patch, a multiple of 8.

        Returns:
            (n, channels, edge/4, edge/4, edge/4).
        """
        size = torch.full_like(z[:, :1], math.log2(edge / _USUAL_EDGE))
        # On one sphere, where the random vectors and those of the encoder cannot lie apart.
        z = F.layer_norm(z, z.shape[1:])
        made: torch.Tensor = self.trunk(torch.cat([z, size], dim=1))
        return F.interpolate(made, size=(edge // CELL,) * 3, mode="trilinear", align_corners=False)

    def make(self, z: torch.Tensor, edge: int) -> torch.Tensor:
        """Makes whole patches at full resolution, (n, 2, edge, edge, edge); for the arguments see ``features``."""
        made: torch.Tensor = self.part_head(self.features(z, edge))
        return made.float()

    def encode(self, real: torch.Tensor) -> torch.Tensor:
        """Returns the random vectors, (n, 128), that should make given patches, (n, 2, k, k, k)."""
        made: torch.Tensor = self.whole_encoder(self.part_encoder(real))
        return made.float()

    def forward(self, real: torch.Tensor, z: torch.Tensor, corner: Corner) -> dict[str, torch.Tensor]:
        """Computes the losses of a training step, each with the gradient of its own parts only.

        Args:
            real: patches, (n, 2, edge, edge, edge).
            z: random vectors, (n, 128).
            corner: sub-volume of this step.

        Returns:
            ``critic`` trains the critics, ``generator`` trains trunk and heads, ``reconstruction`` trains all but the
            critics.
        """
        pair = _half(real), _part(real, corner, CELL)
        made = self._pair(self.features(z, real.shape[-1]), corner)
        judged = [self._judged(*one) for one in zip((self.whole_critic, self.part_critic), pair, made, strict=True)]
        critic, generator = (torch.stack(losses).sum() for losses in zip(*judged, strict=True))
        reconstruction = _RECONSTRUCTION * self._reconstruction(real, pair, corner)
        return {"critic": critic, "generator": generator, "reconstruction": reconstruction}

    def _pair(self, features: torch.Tensor, corner: Corner) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the whole patch at half resolution and the sub-volume at full resolution; both have half the edge."""
        return self.whole_head(features).float(), self.part_head(_part(features, corner, 1)).float()

    def _judged(self, critic: nn.Module, true: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the loss of a critic, and that of the generator, in which the critic's weights are constants."""
        fixed = {name: weight.detach() for name, weight in critic.named_parameters()}
        of_true, of_fake, of_made = critic(true), critic(fake.detach()), functional_call(critic, fixed, (fake,))
        on_true, on_fake, on_made = (
            self.adversarial(found[-1].float(), is_real, for_critic)
            for found, is_real, for_critic in ((of_true, True, True), (of_fake, False, True), (of_made, True, False))
        )
        return on_true + on_fake, on_made

    def _reconstruction(
        self, real: torch.Tensor, pair: tuple[torch.Tensor, torch.Tensor], corner: Corner
    ) -> torch.Tensor:
        """Returns the L1 errors of a sub-volume by its features, and of both outputs by the vector."""
        of_part = F.l1_loss(self.part_head(self.part_encoder(pair[1])).float(), pair[1])
        with torch.no_grad():  # As in HA-GAN: here only the sub-volume trains this encoder.
            features = self.part_encoder(real)
        made = self._pair(self.features(self.whole_encoder(features).float(), real.shape[-1]), corner)
        return of_part + sum(F.l1_loss(one, true) for one, true in zip(made, pair, strict=True)) / 2


def draw_vectors(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draws random vectors, (count, 128), on the CPU, so that devices agree."""
    return torch.randn(count, _VECTOR, generator=generator)


def _half(patch: torch.Tensor) -> torch.Tensor:
    return F.avg_pool3d(patch, 2)


def _part(volume: torch.Tensor, corner: Corner, cell: int) -> torch.Tensor:
    """Returns the sub-volume of half the edge whose first cell is given; ``cell`` is the edge of a cell."""
    half = volume.shape[-1] // 2
    k, j, i = (slice(first * cell, first * cell + half) for first in corner)
    return volume[:, :, k, j, i]
