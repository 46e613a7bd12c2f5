"""Measures the memory of a run of `tumorgen synthesize` with its worker processes, while its table grows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from cohort_rate import moments, start

__all__ = ["RunMemory", "measure_memory", "memory_of"]

#: Results in the table, and MiB of all processes of the run then.
Sample = tuple[int, float]


@dataclass(frozen=True)
class RunMemory:
    """Memory of all processes of a run, MiB. Pages that processes share count in each.

    Args:
        early: median over the second tenth of the results.
        late: median over the last tenth.
        highest: the most.
    """

    early: float
    late: float
    highest: float


def measure_memory(table: Path, output: Path, options: Sequence[str], cases: int) -> RunMemory:
    """Runs the command line and measures its memory.

    Args:
        table: the manifest.
        output: folder for the results.
        options: options of the command.
        cases: number of results of the manifest.
    """
    run = start(table, output, options)
    root = psutil.Process(run.pid)
    samples: list[Sample] = []
    moments(run, output, lambda count: samples.append((count, resident_mib(root))))
    return memory_of(samples, cases)


def memory_of(samples: Sequence[Sample], cases: int) -> RunMemory:
    """Returns the medians of two tenths of a run, and the most."""
    early = [mib for count, mib in samples if 0.1 * cases <= count < 0.2 * cases]
    late = [mib for count, mib in samples if 0.9 * cases <= count < cases]
    return RunMemory(statistics.median(early), statistics.median(late), max(mib for _, mib in samples))


def resident_mib(root: psutil.Process) -> float:
    """Resident memory of a process and all that it started, MiB."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
    return total / 2**20
