"""The device, its precision, and help for the case that its memory runs out."""

from __future__ import annotations

import gc
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import nn
from torch.torch_version import TorchVersion

from TumorGenCore.errors import InvalidRequestError

__all__ = [
    "IS_OLD_TORCH",
    "autocast",
    "channels_last",
    "computes_bfloat16",
    "free_memory",
    "is_out_of_memory",
    "low_precision",
    "pick_device",
    "to_cpu",
    "to_device",
]


Network = TypeVar("Network", bound=nn.Module)

#: PyTorch ends with 2.2 on macOS with Intel processors, and so in Slicer on macOS. That version lacks packed weights of
#: 3D convolutions and 3D convolutions on Apple graphics, and its autocast takes no name of a device.
IS_OLD_TORCH = TorchVersion(torch.__version__) < "2.4"
#: Error texts of devices whose errors have no type of their own: MPS, and PyTorch's allocator on the CPU.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def pick_device(name: str = "auto") -> torch.device:
    """Picks a device by its name.

    Args:
        name: ``auto`` takes CUDA, else MPS, else the CPU; otherwise PyTorch's name, such as ``cuda:1``.

    Raises:
        InvalidRequestError: this machine does not have the device.
    """
    has_mps = torch.backends.mps.is_available() and not IS_OLD_TORCH
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": has_mps}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not (available.get(name.split(":")[0], False) and _is_here(name)):
        usable = ", ".join(k for k, yes in available.items() if yes)
        raise InvalidRequestError(f"The device {name!r} is not available here; use auto or one of: {usable}.")
    return torch.device(name)


def _is_here(name: str) -> bool:
    """Whether this machine has the numbered device: ``cuda:1`` needs two."""
    try:
        device = torch.device(name)
    except RuntimeError:  # The part after the colon is not a number.
        return False
    return device.type != "cuda" or (device.index or 0) < torch.cuda.device_count()


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes bfloat16; emulated bfloat16 is many times slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        checks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
        return any(check is not None and check() for check in checks)
    return False


def low_precision(device: torch.device) -> torch.dtype | None:
    """Two-byte precision in which a device runs the networks fastest; None if float32 is as fast.

    This is bfloat16 if the hardware has it, and float16 on other graphics cards, whose cores compute float16.
    """
    if computes_bfloat16(device):
        return torch.bfloat16
    if device.type in ("cuda", "mps") and torch.amp.is_autocast_available(device.type):
        return torch.float16
    return None


def autocast(device: torch.device) -> AbstractContextManager:
    """Context that casts to the device's low precision, if it has one."""
    precision = low_precision(device)
    return nullcontext() if precision is None else torch.autocast(device.type, dtype=precision)


def channels_last(network: Network) -> Network:
    """Lays out a network's weights in the order that is fastest for convolutions on CPUs and tensor cores."""
    return network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copies a tensor of any shape to a device; to CUDA from pinned memory, so that other work can go on."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def to_cpu(tensor: torch.Tensor) -> torch.Tensor:
    """Copies a tensor of any shape to the CPU; from CUDA into pinned memory, which is several times faster."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    made = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return made.copy_(tensor)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device ran out of memory, whatever the device calls it."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def free_memory(device: torch.device) -> None:
    """Frees the memory that PyTorch keeps. Call it when the error is gone: an error keeps its frames alive."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
