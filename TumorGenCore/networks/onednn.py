"""Convolutions by oneDNN on the CPU.

For a batch of one and a small grid, which is what an insertion is, PyTorch's own rule sends a 3D convolution to a plain
fallback that takes 6 to 10 times as long as oneDNN. Here the choice is made for it.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

__all__ = ["OneDnnConv3d", "use_onednn"]

Network = TypeVar("Network", bound=nn.Module)


class OneDnnConv3d(nn.Conv3d):
    """``nn.Conv3d`` whose float32 input on the CPU always goes to oneDNN; same parameters, same result.

    In training with bfloat16 on the CPU, grids of two slices are computed in float32: oneDNN's weight gradient is wrong
    there (measured with PyTorch 2.13: values of memory that nobody wrote).
    """

    @classmethod
    def sharing(cls, layer: nn.Conv3d) -> OneDnnConv3d:
        """The same layer: the parameters are shared, not copied."""
        made = cls.__new__(cls)
        made.__dict__ = layer.__dict__
        return made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As ``nn.Conv3d``; x (n, c, k, j, i)."""
        if x.device.type != "cpu":
            return super().forward(x)
        if torch.is_autocast_enabled("cpu"):
            return self._in_lower_precision(x)
        if x.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
            return super().forward(x)
        made: torch.Tensor = torch.ops.aten.mkldnn_convolution(
            x, self.weight, self.bias, self.padding, self.stride, self.dilation, self.groups
        )
        return made

    def _in_lower_precision(self, x: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            # Autocast would convert the weights again at every call: it remembers only those that are being trained.
            weight = self._converted(torch.get_autocast_dtype("cpu"))
            return self._conv_forward(x, weight, self.bias)
        if min(x.shape[2:]) > 2:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return self.forward(x.float())

    def _converted(self, precision: torch.dtype) -> torch.Tensor:
        version = 0 if self.weight.is_inference() else self.weight._version
        state = (self.weight.data_ptr(), version, precision)
        if self.__dict__.get("_kept_state") != state:
            self._kept_state, self._kept_weight = state, self.weight.detach().to(precision)
        return self._kept_weight


def use_onednn(network: Network) -> Network:
    """Put a ``OneDnnConv3d`` in the place of every zero-padded ``nn.Conv3d`` of a network; returns the network."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Conv3d and child.padding_mode == "zeros" and not isinstance(child.padding, str):
                setattr(parent, name, OneDnnConv3d.sharing(child))
    return network
