"""The workers of a run on this machine: as many as its processors and its memory can hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.processes import ProcessWorker
from TumorGenCore.cohort.station import StationSettings

__all__ = ["local_workers", "processors", "usual_workers"]

#: Memory of a worker, bytes: libraries and networks; and for each byte of the file of its scan (docs/results.md).
_WORKER_BYTES, _BYTES_PER_FILE_BYTE = 900 * 2**20, 40
#: Fewest results for each worker.
_LEAST_RESULTS = 4


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usual_workers(rows: Sequence[ManifestRow], device: str) -> int:
    """Returns a number of workers that this machine can hold and that pays: at most one for each processor.

    To start a worker takes as long as a few results. A GPU gets one worker.

    Args:
        rows: rows of the run.
        device: kind of device: ``cpu``, ``cuda`` or ``mps``.
    """
    if device != "cpu":
        return 1
    largest = max((row.image.stat().st_size for row in rows if row.image.is_file()), default=0)
    room = psutil.virtual_memory().available // (_WORKER_BYTES + _BYTES_PER_FILE_BYTE * largest)
    results = sum(len(row.seeds) for row in rows)
    return max(1, min(processors(), room, results // _LEAST_RESULTS))


def local_workers(count: int, bundle: str, device: str, output: Path) -> list[ProcessWorker]:
    """Returns workers of this machine; none for a count of 1, because this process then does the work itself.

    Each has the threads of OMP_NUM_THREADS, or else an equal share of the processors.

    Args:
        count: number of workers.
        bundle: name or folder of the model bundle.
        device: device for the networks.
        output: folder of the results.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() and int(asked) else max(1, processors() // count)
    settings = StationSettings(bundle, device, threads, output)
    return [ProcessWorker(settings) for _ in range(count)] if count > 1 else []
