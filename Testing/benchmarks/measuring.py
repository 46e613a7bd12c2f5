"""Shared by the benchmarks: medians and spreads, counted work, and the best convolution of the machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from TumorGenCore.method.cpu.onednn import use_onednn
from TumorGenCore.method.devices import channels_last

#: A work that has taken so many seconds is not repeated, so that a slow machine finishes, too.
LONG_SECONDS = 20.0
#: Channels and edge of the convolutions that ``best_convolution`` tries.
CONVOLUTIONS = ((32, 48), (64, 24), (64, 32), (128, 24), (128, 32), (256, 16))

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Args:
        section: title of the table.
        name: of the line.
        seconds: median.
        spread: longest minus shortest time, s.
        gflop: work; None if it was not counted.
        share: of the best convolution throughput of the machine, 0 to 1.
    """

    section: str
    name: str
    seconds: float
    spread: float
    gflop: float | None = None
    share: float | None = None


def in_turn(works: Mapping[str, Work], repeats: int) -> dict[str, list[float]]:
    """Returns the seconds of each work. The works take turns, so that the machine is the same for all.

    The first round does not count, except for a work that takes longer than ``LONG_SECONDS`` and runs only once.
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
    """Times one work and returns its line; ``best`` is the machine's best GFLOP/s in the same precision."""
    return row_of(section, name, in_turn({name: work}, repeats)[name], gflop, best)


def row_of(section: str, name: str, times: list[float], gflop: float | None = None, best: float = 0.0) -> Row:
    """Returns the line for given seconds; see ``measure``."""
    median = statistics.median(times)
    share = gflop / median / best if gflop and best else None
    return Row(section, name, median, max(times) - min(times), gflop, share)


def count_gflop(work: Work) -> float:
    """Counts the GFLOP of convolutions and matrix products; a multiplication and an addition count as two.

    Put the networks on the ``meta`` device, which computes nothing. PyTorch's counter does not know the operators that
    TumorGen uses on a CPU.
    """
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mkldnn_convolution: _onednn_flop}) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _onednn_flop(x: list, weight: list, *_settings: object, out_shape: list, **_: object) -> int:
    return conv_flop_count(x, weight, out_shape)


def best_convolution(device: torch.device, precision: AbstractContextManager) -> float:
    """Returns the highest GFLOP/s of the 3x3x3 convolutions in ``CONVOLUTIONS``, with weights packed as in TumorGen.

    Args:
        device: runs the convolutions.
        precision: context that sets it, such as ``autocast(device)``.
    """
    found = 0.0
    with torch.inference_mode(), precision:
        for channels, edge in CONVOLUTIONS:
            layer = channels_last(use_onednn(nn.Sequential(nn.Conv3d(channels, channels, 3, padding=1)))).to(device)
            x = torch.randn(1, channels, edge, edge, edge, device=device).to(memory_format=torch.channels_last_3d)
            if torch.is_autocast_enabled(device.type):
                x = x.to(torch.get_autocast_dtype(device.type))
            seconds = min(in_turn({"": lambda layer=layer, x=x: layer(x)}, 10)[""])
            found = max(found, 2 * 27 * channels**2 * edge**3 / seconds / 1e9)
    return found
