"""What all benchmarks share: medians with their spread, counted work, and the machine's own best convolution."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from TumorGenCore.devices import autocast


@dataclass(frozen=True)
class Row:
    """One line of the report: seconds are median and spread (longest less shortest); GFLOP where it was counted."""

    section: str
    name: str
    seconds: float
    spread: float
    gflop: float | None = None
    share: float | None = None


def measure(
    section: str, name: str, work: Callable[[], object], repeats: int, gflop: float | None = None, best: float = 0.0
) -> Row:
    """Time ``work`` after one run that is not counted; ``best`` is the machine's GFLOP/s in the same precision."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return row_of(section, name, times, gflop, best)


def row_of(section: str, name: str, times: list[float], gflop: float | None = None, best: float = 0.0) -> Row:
    """A line from times that were taken elsewhere."""
    median = statistics.median(times)
    share = gflop / median / best if gflop and best else None
    return Row(section, name, median, max(times) - min(times), gflop, share)


def _onednn_flop(x: list, weight: list, *_settings: object, out_shape: list, **_: object) -> int:
    """PyTorch's counter does not know this operator by itself."""
    return conv_flop_count(x, weight, out_shape)


_ONEDNN = {torch.ops.aten.mkldnn_convolution: _onednn_flop}


def count_gflop(work: Callable[[], object]) -> float:
    """GFLOP of convolutions and matrix products, a multiplication and an addition counted as two."""
    with FlopCounterMode(display=False, custom_mapping=_ONEDNN) as counter:
        work()
    return counter.get_total_flops() / 1e9


def precision_of(device: torch.device, name: str) -> AbstractContextManager:
    """``own``: what the generator takes on this device; ``float32``."""
    return autocast(device) if name == "own" else nullcontext()


def best_convolution(device: torch.device, precision: str = "own") -> float:
    """The highest GFLOP/s among 3x3x3 convolutions of this family's sizes."""
    found = 0.0
    with torch.inference_mode(), precision_of(device, precision):
        for channels, edge in ((32, 48), (64, 24), (64, 32), (128, 24)):
            layer = torch.nn.Conv3d(channels, channels, 3, padding=1).to(device, memory_format=torch.channels_last_3d)
            x = torch.randn(1, channels, edge, edge, edge, device=device).to(memory_format=torch.channels_last_3d)
            row = measure("", "", lambda layer=layer, x=x: layer(x), 5)
            found = max(found, 2 * 27 * channels**2 * edge**3 / row.seconds / 1e9)
    return found
