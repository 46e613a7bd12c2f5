"""What all benchmarks share: medians with their spread, counted work, and the machine's own best convolution."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import autocast, channels_last

#: No work is begun again after so many seconds of it, so that a slow machine ends the same day.
LONG_SECONDS = 20.0
#: Channels and edge of the convolutions among which the machine's best is looked for.
CONVOLUTIONS = ((32, 48), (64, 24), (64, 32), (128, 24), (128, 32), (256, 16))

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the report: seconds are median and spread (longest less shortest); GFLOP where it was counted; share
    of the machine's best convolution throughput."""

    section: str
    name: str
    seconds: float
    spread: float
    gflop: float | None = None
    share: float | None = None


def in_turn(works: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """Seconds of each work, taken in turn so that all see the same machine, after a first round that is not counted.

    What takes longer than ``LONG_SECONDS`` is done once, and that counts.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats + 1):
        for name, work in works.items():
            if sum(times[name]) < LONG_SECONDS:
                start = time.perf_counter()
                work()
                times[name].append(time.perf_counter() - start)
    return {name: taken[1:] or taken for name, taken in times.items()}


def measure(section: str, name: str, work: Work, repeats: int, gflop: float | None = None, best: float = 0.0) -> Row:
    """A line for one work; ``best`` is the machine's GFLOP/s in the same precision."""
    return row_of(section, name, in_turn({name: work}, repeats)[name], gflop, best)


def row_of(section: str, name: str, times: list[float], gflop: float | None = None, best: float = 0.0) -> Row:
    """A line from times that were taken elsewhere."""
    median = statistics.median(times)
    share = gflop / median / best if gflop and best else None
    return Row(section, name, median, max(times) - min(times), gflop, share)


def count_gflop(work: Work) -> float:
    """GFLOP of convolutions and matrix products, a multiplication and an addition counted as two.

    Networks are to be on the ``meta`` device, where nothing is computed; the operators that we pick on a CPU are not
    known to PyTorch's counter.
    """
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_convolution: _onednn_flop}) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _onednn_flop(x: list, weight: list, *_settings: object, out_shape: list, **_: object) -> int:
    return conv_flop_count(x, weight, out_shape)


def precision_of(device: torch.device, name: str) -> AbstractContextManager:
    """``own``: what the generator takes on this device; ``float32``."""
    return autocast(device) if name == "own" else nullcontext()


def best_convolution(device: torch.device, precision: str = "own") -> float:
    """The highest GFLOP/s among 3x3x3 convolutions, their weights packed once as the generator's are."""
    found = 0.0
    with torch.inference_mode(), precision_of(device, precision):
        for channels, edge in CONVOLUTIONS:
            layer = channels_last(use_onednn(nn.Sequential(nn.Conv3d(channels, channels, 3, padding=1)))).to(device)
            x = torch.randn(1, channels, edge, edge, edge, device=device).to(memory_format=torch.channels_last_3d)
            if precision == "own" and torch.is_autocast_enabled(device.type):
                x = x.to(torch.get_autocast_dtype(device.type))
            seconds = min(in_turn({"": lambda layer=layer, x=x: layer(x)}, 10)[""])
            found = max(found, 2 * 27 * channels**2 * edge**3 / seconds / 1e9)
    return found
