"""Kills, full disks and many cases: does the command line lose, double or halve anything?

    python Testing/soak/soak.py [--parts kills disks many] [--jobs 0 1] [--cases N]

Writes ``results/soak.json``, where parts and jobs that are not run stay as they are, and ends with status 1 if there is
any fault. docs/soak.md says what was found.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commands import Inputs
from disks import try_disks
from kills import PLAN, Job, Tally, kill_some
from many import make_many
from processes import Process, load_libraries

from TumorGenCore.version import software_version

RESULTS = Path(__file__).parent / "results" / "soak.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=("kills", "disks", "many"), default=["kills", "disks", "many"])
    parser.add_argument("--jobs", nargs="+", type=int, default=range(len(PLAN)), help="which of the kills, from 0")
    parser.add_argument("--cases", type=int, default=1000, help="results of the long run")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # A process in the background would ignore it.
    os.environ["OMP_NUM_THREADS"] = "1"
    found = json.loads(options.output.read_text()) if options.output.exists() else {}
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        inputs = Inputs(Path(name) / "inputs")
        for part in options.parts:
            begun = time.monotonic()
            if part == "kills":
                jobs = [PLAN[n] for n in options.jobs]
                made = all_kills(jobs, inputs, Path(name), options.workers, options.seed)
                found[part] = kills_found(found.get(part, {}).get("jobs", {}) | made)
            elif part == "disks":
                found[part] = try_disks(inputs, Path(name) / "disks")
            else:
                found[part] = make_many(inputs, Path(name) / "many", options.cases)
            found[part] |= {
                "minutes": round((time.monotonic() - begun) / 60, 1),
                "version": software_version(),
                "date": datetime.now(UTC).date().isoformat(),
            }
            options.output.parent.mkdir(exist_ok=True)
            options.output.write_text(json.dumps(found, indent=2) + "\n")
            print(part, json.dumps(found[part], indent=2), flush=True)
    return int(any(found[part]["faults"] for part in options.parts))


def kills_found(jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Adds up what came of all jobs."""
    total = sum(job.get(name, 0) for job in jobs.values() for name in ("SIGKILL", "SIGTERM", "SIGINT"))
    return {"kills": total, "jobs": jobs, "faults": [fault for job in jobs.values() for fault in job["faults"]]}


def whole_outputs(kinds: tuple[str, ...], inputs: Inputs, folder: Path) -> None:
    """Makes the outputs of undisturbed runs: ``KIND``, and ``KIND-before`` of ``insert`` with another seed."""
    folder.mkdir()
    for kind in kinds:
        for name, more in ((kind, []), (f"{kind}-before", ["--seed", "5"])):
            output = folder / name
            if kind.startswith("insert"):
                output.mkdir(parents=True)
            elif name != kind:
                continue
            process = Process([*getattr(inputs, kind)(output), *more], folder / "errors.txt", cold=False)
            if process.end() not in (0, 3):
                raise RuntimeError(f"{kind} does not work: {process.said()}")
            if kind == "train":
                shutil.copytree(output, inputs.autoencoder)


def all_kills(jobs: list[Job], inputs: Inputs, folder: Path, workers: int, seed: int) -> dict[str, Any]:
    """Kills the commands of the jobs, in some processes, and returns what came of each job."""
    kinds = tuple(dict.fromkeys(job.kind for job in jobs))  # ``train_generator`` needs ``train`` before it
    arguments = [(job, inputs, folder / "whole", folder / f"job{n}", seed) for n, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")  # Each worker forks the commands, and so has one thread.
    with context.Pool(workers, load_libraries) as pool:
        pool.apply(whole_outputs, (kinds, inputs, folder / "whole"))
        tallies = pool.starmap(kill_some, arguments, chunksize=1)
    return {f"{job.kind}{', cold start' * job.cold}": _record(tally) for job, tally in zip(jobs, tallies, strict=True)}


def _record(tally: Tally) -> dict[str, Any]:
    counts = {"writing": tally.writing, "early": tally.early, "resumed": tally.resumed}
    return {**tally.kills, **counts, "faults": tally.faults}


if __name__ == "__main__":
    sys.exit(main())
