"""MONAI's blocks with less work around their convolutions, for inference on the CPU.

On CPUs with bfloat16 units the convolutions take half the time of an insertion. Memory traffic between them and many
small calls take the rest. So these blocks put sums and the time embedding into the convolutions. Activations overwrite
their input, attention reads voxels in memory order, and no layer converts its input. Parameters, and results up to
rounding, are those of the plain blocks. With gradients, or on another device, the blocks compute as the plain ones do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.blocks.spatialattention import SpatialAttentionBlock
from monai.networks.nets.autoencoderkl import AEKLResBlock
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet, DiffusionUNetResnetBlock
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

from TumorGenCore.method.cpu.kept import state_of
from TumorGenCore.method.cpu.onednn import Network, OneDnnConv3d, kept_of, onednn_precision, use_onednn

__all__ = ["KEPT_TIMES", "TimeEmbedding", "TimedResBlock", "use_fused"]

#: Norms of grids with fewer voxels use float32: there PyTorch's bfloat16 kernel works number by number.
_SMALL_GRID = 1024
#: Largest number of times whose embeddings are kept; a sampler needs the same few again and again.
KEPT_TIMES = 256


class _Norm(nn.GroupNorm):
    """GroupNorm that avoids two slow cases of PyTorch's kernel: mixed precisions, and bfloat16 on small grids."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if onednn_precision(x) is None or x.dtype == torch.float32:
            return super().forward(x)
        if x[0, 0].numel() < _SMALL_GRID:
            return super().forward(x.float()).to(x.dtype)
        weight, bias = (_kept_as(self, name, x.dtype) for name in ("weight", "bias"))
        return F.group_norm(x, self.num_groups, weight, bias, self.eps)


class _Layers(nn.Sequential):
    """Sequence of layers in which a SiLU overwrites the output of a norm before it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if onednn_precision(x) is None:
            made: torch.Tensor = super().forward(x)
            return made
        after_norm = False
        for layer in self:
            x = F.silu(x, inplace=True) if after_norm and isinstance(layer, nn.SiLU) else layer(x)
            after_norm = isinstance(layer, nn.GroupNorm)
        return x


class _Upsample(nn.Upsample):
    """Upsampling in the channels-last layout, which copies each voxel as a whole."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if onednn_precision(x) is None else x.contiguous(memory_format=torch.channels_last_3d))


class _ResBlock(AEKLResBlock):
    """The VAE's residual block."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        precision = onednn_precision(x)
        if precision is None:
            made: torch.Tensor = super().forward(x)
            return made
        h = _convolution(self.conv1).packed(_activated(self.norm1, x), precision)
        return _convolution(self.conv2).packed(_activated(self.norm2, h), precision, added=self.nin_shortcut(x))


class TimeEmbedding(nn.Sequential):
    """The time embedding. It keeps the embedding of a single time, so that one time always gives the same tensor."""

    def kept_times(self) -> int:
        """Number of times whose embeddings are kept, at most ``KEPT_TIMES``."""
        return len(self.__dict__.get("_times", (None, {}))[1])

    def forward(self, sinusoids: torch.Tensor) -> torch.Tensor:
        """Embeds times: sinusoids (n, channels) -> (n, 4 channels)."""
        precision = onednn_precision(sinusoids)
        if precision is None or len(sinusoids) != 1:
            made: torch.Tensor = super().forward(sinusoids)
            return made
        weights = (precision, state_of(self.parameters()))
        found: dict[bytes, torch.Tensor]
        of, found = self.__dict__.get("_times", (None, {}))
        if of != weights or len(found) >= KEPT_TIMES:
            found = {}
        self._times = (weights, found)
        key = sinusoids.float().numpy().tobytes()
        if key not in found:
            found[key] = super().forward(sinusoids)
        return found[key]


class TimedResBlock(DiffusionUNetResnetBlock):
    """The vector field's residual block, with the time embedding in the bias of the first convolution."""

    def kept_times(self) -> int:
        """Number of times whose shifts are kept; the block drops a shift together with the embedding of its time."""
        return len(self.__dict__.get("_shifts", ()))

    def forward(self, x: torch.Tensor, emb: torch.Tensor) -> torch.Tensor:
        """Computes the same as MONAI's block; x (n, c, k, j, i), time embedding (n, features)."""
        precision = onednn_precision(x)
        if precision is None or self.upsample is not None or self.downsample is not None or len(emb) != 1:
            made: torch.Tensor = super().forward(x, emb)
            return made
        h = _convolution(self.conv1).packed(_activated(self.norm1, x), precision, shift=self._shift(emb))
        return _convolution(self.conv2).packed(_activated(self.norm2, h), precision, added=self.skip_connection(x))

    def _shift(self, emb: torch.Tensor) -> torch.Tensor:
        """Value that the time adds to each channel, (channels,); kept as long as its embedding."""
        found: WeakTensorKeyDictionary = self.__dict__.setdefault("_shifts", WeakTensorKeyDictionary())
        if emb not in found:
            found[emb] = self.time_emb_proj(F.silu(emb))[0]
        shift: torch.Tensor = found[emb]
        return shift


class _Attention(SpatialAttentionBlock):
    """Self-attention whose tokens are the voxels in memory order, channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        precision = onednn_precision(x)
        if precision is None:
            made: torch.Tensor = super().forward(x)
            return made
        attention = self.attn
        tokens = self.norm(x).permute(0, 2, 3, 4, 1).flatten(1, 3)
        weight, bias = (self._projection(name, precision) for name in ("weight", "bias"))
        q, k, v = F.linear(tokens, weight, bias).unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, scale=attention.scale).transpose(1, 2).flatten(2)
        mixed = F.linear(mixed, *(_kept_as(attention.out_proj, name, precision) for name in ("weight", "bias")))
        return x + mixed.unflatten(1, x.shape[2:]).permute(0, 4, 1, 2, 3)

    def _projection(self, name: str, precision: torch.dtype) -> torch.Tensor:
        """Concatenated weights or biases of queries, keys and values."""
        parts = [getattr(layer, name) for layer in (self.attn.to_q, self.attn.to_k, self.attn.to_v)]
        return kept_of(self).of(name, parts, precision, lambda: torch.cat([p.detach() for p in parts]).to(precision))


def _activated(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return F.silu(norm(x), inplace=True)


def _convolution(layer: Any) -> OneDnnConv3d:
    """The convolution in MONAI's ``Convolution``."""
    made: OneDnnConv3d = layer.conv
    return made


def _kept_as(layer: nn.Module, name: str, precision: torch.dtype) -> torch.Tensor:
    parameter: torch.Tensor = getattr(layer, name)
    return kept_of(layer).of(name, [parameter], precision, lambda: parameter.detach().to(precision))


def _has_own_projections(layer: Any) -> bool:
    attention = layer.attn
    return bool(
        attention.include_fc
        and attention.to_q.bias is not None
        and not attention.use_combined_linear
        and not attention.causal
        and attention.rel_positional_embedding is None
        and attention.attention_dtype is None
    )


def _has_onednn_convolutions(layer: Any) -> bool:
    return all(isinstance(part.conv, OneDnnConv3d) for part in (layer.conv1, layer.conv2))


#: For each type of layer: the type that replaces it, and a check whether it can.
_FUSED: dict[type[nn.Module], tuple[type[nn.Module], Callable[[Any], bool]]] = {
    nn.GroupNorm: (_Norm, lambda layer: layer.affine),
    nn.Sequential: (_Layers, lambda layer: True),
    nn.Upsample: (_Upsample, lambda layer: True),
    AEKLResBlock: (_ResBlock, _has_onednn_convolutions),
    DiffusionUNetResnetBlock: (TimedResBlock, _has_onednn_convolutions),
    SpatialAttentionBlock: (_Attention, _has_own_projections),
}


def use_fused(network: Network) -> Network:
    """Replaces the plain blocks of a network with fused blocks and ``OneDnnConv3d``, and returns the network.

    Old and new blocks share their parameters, which keep their names.
    """
    use_onednn(network)
    for parent in list(network.modules()):
        if isinstance(parent, DiffusionModelUNet):
            parent.time_embed = _sharing(TimeEmbedding, parent.time_embed)
        for name, child in parent.named_children():
            fused, can = _FUSED.get(type(child), (None, None))
            if fused is not None and can is not None and can(child):
                setattr(parent, name, _sharing(fused, child))
    return network


def _sharing(kind: type[nn.Module], layer: nn.Module) -> Any:
    """The same layer as another type; it shares parameters and sub-layers and does not copy them."""
    made = kind.__new__(kind)
    made.__dict__ = layer.__dict__
    return made
