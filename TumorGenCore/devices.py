"""Which device computes, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn

__all__ = ["autocast", "channels_last", "computes_bfloat16", "pick_device"]


Network = TypeVar("Network", bound=nn.Module)


def pick_device(name: str = "auto") -> torch.device:
    """The device of a name: ``auto`` takes CUDA, else MPS, else the CPU.

    Raises:
        ValueError: a device that this machine does not have.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    kind = name.split(":")[0]
    if not available.get(kind, False):
        usable = ", ".join(k for k, yes in available.items() if yes)
        raise ValueError(f"The device {name!r} is not available here; use auto or one of: {usable}.")
    return torch.device(name)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes bfloat16; where it is emulated it is many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        checks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
        return any(check is not None and check() for check in checks)
    return False


def channels_last(network: Network) -> Network:
    """The network with its weights laid out as CPU and tensor-core convolutions like them best."""
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]


def autocast(device: torch.device) -> AbstractContextManager:
    """bfloat16 where the hardware has it, else nothing."""
    if computes_bfloat16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
