"""Measures a new process that loads a model and inserts twice.

The benchmark calls this file. It prints JSON: seconds for ``load`` (start of the interpreter, imports, weights), for
the ``first`` and the ``second`` insertion, and ``peak_gb``, the most memory of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from TumorGenCore import TumorGenerator


def in_a_process(model: str, device: str, patch: str) -> dict[str, float]:
    """Runs this file for a patch size, a name in ``insertions.PATCHES``, and returns its figures."""
    # All processes share this clock: it counts from the start of the machine.
    arguments = [sys.executable, __file__, model, device, patch, str(time.monotonic())]
    run = subprocess.run(arguments, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(run.stdout)
    return figures


def peak_gb() -> float:
    """Most memory of this process so far, GB. ``getrusage`` may also count memory of the parent process."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024**2
    unit = 1024**3 if sys.platform == "darwin" else 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("device")
    parser.add_argument("patch")
    parser.add_argument("started", type=float)
    options = parser.parse_args()
    generator = TumorGenerator.from_pretrained(options.model, options.device)
    loaded = time.monotonic()
    from insertions import PATCHES, box_for, inserted, whole_body  # A user's process does not import this.

    volume = whole_body()
    box = box_for(generator, PATCHES[options.patch])
    times = []
    for _ in range(2):
        begin = time.monotonic()
        inserted(generator, volume, box)
        times.append(time.monotonic() - begin)
    figures = {"load": loaded - options.started, "first": times[0], "second": times[1], "peak_gb": peak_gb()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
