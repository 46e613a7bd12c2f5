"""Convolutions by oneDNN on the CPU.

An insertion has a batch of one and a small grid. In this case PyTorch sends a 3D convolution to a plain fallback that
takes 6 to 10 times as long as oneDNN. This module always chooses oneDNN. Without gradients it also keeps the weights in
oneDNN's layout. PyTorch would convert them at every call, which takes longer than the convolution on small grids.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from TumorGenCore.method.cpu.kept import Kept
from TumorGenCore.method.devices import IS_OLD_TORCH

__all__ = ["OneDnnConv3d", "kept_of", "onednn_precision", "use_onednn"]

Network = TypeVar("Network", bound=nn.Module)

#: PyTorch's own operators for compiled graphs: packed weights and fused sums.
_HAS_PACKED = (
    not IS_OLD_TORCH
    and torch.backends.mkldnn.is_available()
    and all(hasattr(torch.ops.mkldnn, name) for name in ("_convolution_pointwise", "_reorder_convolution_weight"))
)


class OneDnnConv3d(nn.Conv3d):
    """``nn.Conv3d`` that always uses oneDNN for float32 input on the CPU; same parameters, same result.

    In bfloat16 training on the CPU it computes grids of up to two slices in float32: there oneDNN's weight gradient is
    wrong (measured with PyTorch 2.13: it reads uninitialized memory).
    """

    @classmethod
    def sharing(cls, layer: nn.Conv3d) -> OneDnnConv3d:
        """The same layer; it shares the parameters and does not copy them."""
        made = cls.__new__(cls)
        made.__dict__ = layer.__dict__
        return made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the same as ``nn.Conv3d``; x (n, c, k, j, i)."""
        precision = onednn_precision(x)
        if precision is not None:
            return self.packed(x, precision)
        if x.device.type != "cpu":
            return super().forward(x)
        if _autocast_precision() is not None:
            return self._in_lower_precision(x)
        if x.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
            return super().forward(x)
        made: torch.Tensor = torch.ops.aten.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )
        return made

    def packed(
        self,
        x: torch.Tensor,
        precision: torch.dtype,
        shift: torch.Tensor | None = None,
        added: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Convolves with packed weights; only if ``onednn_precision`` gives a precision.

        Args:
            x: (n, c, k, j, i).
            precision: precision of the computation and the result.
            shift: added to the bias, (channels,).
            added: added to the result, in the shape of the result.

        Returns:
            (n, channels, k, j, i), in ``precision``.
        """
        x = x.to(precision)
        shape = tuple(x.shape)
        kept = kept_of(self)
        settings = (self.padding, self.stride, self.dilation, self.groups)
        weight = kept.of("weight", [self.weight], (precision, shape), lambda: self._pack(precision, shape))
        bias = self.bias
        if bias is not None:
            plain = bias
            bias = kept.of("bias", [plain], precision, lambda: plain.detach().to(precision))
        if shift is not None:
            bias = shift.to(precision) if bias is None else bias + shift
        if added is None:
            made = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *settings, "none", [], "")
        else:
            added = added.to(precision).contiguous(memory_format=torch.channels_last_3d)
            made = torch.ops.mkldnn._convolution_pointwise.binary(
                x, added, weight, bias, *settings, "add", None, None, [], None
            )
        return made  # type: ignore[no-any-return]

    def _pack(self, precision: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
        packed: torch.Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight.detach().to(precision), self.padding, self.stride, self.dilation, self.groups, shape
        )
        return packed

    def _in_lower_precision(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled() or min(x.shape[2:]) > 2:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return self.forward(x.float())


def onednn_precision(x: torch.Tensor) -> torch.dtype | None:
    """Precision in which oneDNN computes a layer with input ``x``; None with gradients or without packed weights."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or not _HAS_PACKED:
        return None
    precision = _autocast_precision() or x.dtype
    return precision if precision in (torch.float32, torch.bfloat16) else None


def _autocast_precision() -> torch.dtype | None:
    """Precision to which PyTorch casts on the CPU; None if it does not. TumorGen never asks an old PyTorch to."""
    return None if IS_OLD_TORCH or not torch.is_autocast_enabled("cpu") else torch.get_autocast_dtype("cpu")


def kept_of(layer: nn.Module) -> Kept:
    """Returns the values that a layer keeps; none at first."""
    kept: Kept = layer.__dict__.setdefault("_kept", Kept())
    return kept


def use_onednn(network: Network) -> Network:
    """Replaces every zero-padded ``nn.Conv3d`` of a network with a ``OneDnnConv3d``, and returns the network."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv3d and child.padding_mode == "zeros" and not isinstance(child.padding, str):
                setattr(parent, name, OneDnnConv3d.sharing(child))
    return network
