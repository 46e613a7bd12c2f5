"""Runs `tumorgen synthesize` and measures how many results it makes a second, from the growth of its table.

The time before an early line of the table does not count: it is the start of processes and the loading of models.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

__all__ = ["EARLY", "Moment", "moments", "rate_of", "results_in", "start", "until"]

#: Line of the table from which the time counts.
EARLY = 4
#: Longest run, s.
MOST_SECONDS = 3600

#: Seconds on any clock, and results in the table.
Moment = tuple[float, int]


def start(
    table: Path, output: Path, options: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Starts the command line on the processor.

    Args:
        table: the manifest.
        output: folder for the results.
        options: more options of the command.
        environment: environment of the process; None for that of this process.
    """
    command = [sys.executable, "-m", "TumorGenCore.cli", "synthesize", str(table), "--output", str(output), "--quiet"]
    return subprocess.Popen([*command, "--device", "cpu", *options], env=environment)


def results_in(output: Path) -> int:
    """Number of results in the table of a run; a result is one line."""
    try:
        return max(0, (output / "cases.csv").read_bytes().count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def until(there: Callable[[], bool], run: subprocess.Popen[bytes], seconds: float = MOST_SECONDS) -> None:
    """Waits for something that a run does.

    Raises:
        RuntimeError: the run ended before, or took longer.
    """
    end = time.monotonic() + seconds
    while not there():
        if run.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the run ended too early, with status {run.returncode}")
        time.sleep(0.05)


def moments(run: subprocess.Popen[bytes], output: Path, watch: Callable[[int], None] = lambda _: None) -> list[Moment]:
    """Waits for the end of a run; returns each moment at which its table had grown.

    Args:
        run: the run.
        output: its folder.
        watch: called some fifty times a second with the number of results.

    Raises:
        RuntimeError: the run failed.
    """
    seen: list[Moment] = [(time.monotonic(), results_in(output))]
    while run.poll() is None:
        watch(seen[-1][1])
        if (now := results_in(output)) > seen[-1][1]:
            seen.append((time.monotonic(), now))
        time.sleep(0.02)
    if run.returncode:
        raise RuntimeError(f"the run ended with status {run.returncode}")
    return seen


def rate_of(seen: Sequence[Moment], early: int = EARLY) -> float:
    """Returns the results a second from the first moment with ``early`` results to the last one with more than before.

    Raises:
        ValueError: too few results came after the early ones.
    """
    grown = [after for before, after in pairwise([(0.0, 0), *seen]) if after[1] > before[1]]
    late = [moment for moment in grown if moment[1] >= early]
    if len(late) < 2:
        raise ValueError(f"the table did not grow after its line {early}")
    (begun, first), (last, count) = late[0], late[-1]
    return (count - first) / (last - begun)
