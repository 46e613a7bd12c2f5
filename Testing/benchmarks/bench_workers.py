"""Measures what worker processes bring to `tumorgen synthesize`: `make bench-workers`.

Runs the real command line on one manifest in four ways, in turn: one worker of one thread, two workers of one thread,
one worker of two threads, and without any option. The scan is a crop around the chest of a real whole body, or of the
phantom where that is missing. The figures go to docs/results.md by hand; those for `simulate_cohort.py` to a JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import torch
from case_times import (
    PARTS,
    REST,
    TABLES,
    generator_of_a_worker,
    measure_cases,
    measure_resume,
    measure_starts,
)
from cohort_rate import moments, rate_of, start
from driver_cost import Sample, measure_driver
from run_memory import measure_memory
from same_bits import DATA
from targets import Target

from TumorGenCore.cohort.manifest import read_manifest
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.quality import LEAST_QUALITY
from TumorGenCore.phantom.phantom import make_phantom
from TumorGenCore.version import software_version

#: Edge of the crop, voxels; its middle, as a share of the scan along i, j, k.
EDGE, CHEST = 128, (0.5, 0.5, 0.63)
#: Results of each row, so that each of two workers reads a scan of its own.
OF_EACH_ROW = 10

#: Results and workers with which the driver is measured.
DRIVER_RESULTS, DRIVER_WORKERS = 1000, 64

#: Threads and workers of each way to run; None leaves the choice to the command.
WAYS: dict[str, tuple[int | None, int | None]] = {
    "1 worker, 1 thread": (1, 1),
    "2 workers, 1 thread": (1, 2),
    "1 worker, 2 threads": (2, 1),
    "no option": (None, None),
}
ONE, TWO, THREADS, USUAL = WAYS
#: Ways to compare, and the least ratio of their rates: must, aim.
RATIOS = {(TWO, ONE): (1.8, 1.9), (TWO, THREADS): (1.2, 1.4), (USUAL, TWO): (0.9, 0.95)}
#: Most share of the time that the tables and the rest may take; most growth of the memory.
MOST_REST, MOST_GROWTH = (0.10, 0.05), (1.05, 1.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=40, help="results of each run (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=2, help="runs of each way; 0 measures none (default: %(default)s)"
    )
    parser.add_argument("--parts-of-time", action="store_true", help="where the time of a case goes, in this process")
    parser.add_argument("--memory", type=int, metavar="CASES", help="memory of a run of so many quick cases")
    parser.add_argument("--output", type=Path, default=Path("bench-output/workers.json"), help="default: %(default)s")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures: dict[str, Any] = {
            "software": software_version(),
            "scan": _write_scan(folder / "scan.nii.gz"),
            **_machine(),
        }
        print(json.dumps(figures), flush=True)
        judged = []
        if options.rounds:
            figures["rates"] = _rates(folder, options.cases, options.rounds)
            judged += _judged_rates(figures["rates"])
        if options.parts_of_time:
            figures.update(_times(folder, options.cases))
            over = figures["shares"][TABLES] + figures["shares"][REST]
            judged.append(Target("tables and rest of the time of a case", over, *MOST_REST, shown="{:.1%}"))
        if options.memory:
            figures["memory_mib"] = memory = _memory(folder, options.memory)
            growth = memory["late"] / memory["early"]
            judged.append(Target("memory, last over second tenth of the cases", growth, *MOST_GROWTH, shown="{:.3f}"))
    options.output.write_text(json.dumps(figures, indent=1) + "\n")
    for one in judged:
        limits = " ".join(f"{name} {one.shown.format(limit)}" for name, limit in (("must", one.must), ("aim", one.aim)))
        print(f"{one.what}: {one.shown.format(one.value)} ({limits}): {one.verdict}")
    print(options.output)


def _machine() -> dict[str, Any]:
    return {
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "PyTorch": torch.__version__,
    }


def _write_scan(path: Path) -> str:
    """Writes the scan in SUV, and returns what it is."""
    source = DATA / "whole_body" / "QIN-HEADNECK-01-0139_image.nii.gz"
    there = source.is_file()
    image = sitk.ReadImage(str(source)) if there else make_phantom()
    size = [min(EDGE, n) for n in image.GetSize()]
    first = [
        min(max(round(share * n) - edge // 2, 0), n - edge)
        for share, n, edge in zip(CHEST, image.GetSize(), size, strict=True)
    ]
    sitk.WriteImage(sitk.RegionOfInterest(image, size, first), str(path))
    voxels = "x".join(str(n) for n in size)
    return f"chest of {source.name.split('_')[0]}, {voxels}" if there else f"phantom ({source} is missing), {voxels}"


def _manifest(folder: Path, cases: int, first: int = 0) -> Path:
    """Writes a manifest of the scan with tumors anywhere in it; seeds count on, so that no two results are the same."""
    lines = ["image,name,count,seed,suv_factor"]
    for row, begun in enumerate(range(0, cases, OF_EACH_ROW)):
        lines.append(f"scan.nii.gz,scan{row},{min(OF_EACH_ROW, cases - begun)},{first + begun},1")
    table = folder / f"manifest{first}-{cases}.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def _rates(folder: Path, cases: int, rounds: int) -> dict[str, list[float]]:
    """Returns the results a second of each way, one for each round."""
    table = _manifest(folder, cases)
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way, (threads, workers) in WAYS.items():
            environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
            if threads is not None:
                environment["OMP_NUM_THREADS"] = str(threads)
            output = folder / f"rate{number}-{len(rates[way])}-{way}"
            run = start(table, output, [] if workers is None else ["--workers", str(workers)], environment)
            rates[way].append(rate_of(moments(run, output)))
            print(f"round {number + 1}, {way}: {rates[way][-1]:.2f} results a second", flush=True)
    return rates


def _judged_rates(rates: Mapping[str, Sequence[float]]) -> list[Target]:
    """Prints the median rates; returns the ratios, each the median of the ratios within the rounds."""
    for way, seconds in rates.items():
        print(f"{way}: {statistics.median(seconds):.2f} results a second")
    return [
        Target(f"{more} over {less}", ratio(rates[more], rates[less]), *limits, at_most=False)
        for (more, less), limits in RATIOS.items()
    ]


def ratio(more: Sequence[float], less: Sequence[float]) -> float:
    """Median of the ratios within the rounds: in a round the machine is the same for both."""
    return statistics.median(a / b for a, b in zip(more, less, strict=True))


def _times(folder: Path, cases: int) -> dict[str, Any]:
    """Measures the parts of a case, a resumed run and the start of a worker; prints the parts."""
    request = TumorRequest(least_quality=LEAST_QUALITY)
    generator = generator_of_a_worker()
    rows = read_manifest(_manifest(folder, cases + OF_EACH_ROW))
    times = measure_cases(generator, rows, folder / "parts", request)
    medians, shares = times.medians_s(), times.shares()
    for part in PARTS:
        each = "scan" if part == "reading" else "case"
        print(f"{part}: {1000 * medians[part]:.0f} ms a {each}, {shares[part]:.1%} of the time", flush=True)
    assert times.made.outcome.record is not None
    sample = Sample(times.made.outcome.record, times.made.truth.decode())
    driver = measure_driver(generator, sample, folder, DRIVER_RESULTS, DRIVER_RESULTS // 100, DRIVER_WORKERS)
    print(f"driver: {driver.late_ms:.2f} ms a result of {DRIVER_WORKERS} workers, {driver.processor_ms:.2f} computing")
    return {
        "medians_s": medians,
        "shares": shares,
        "reading_s": times.reading_s,
        "case_s": times.case_s,
        "driver_s": driver.late_ms / 1000,
        "start_s": measure_starts(folder / "parts"),
        "resume": asdict(measure_resume(generator, rows, folder / "parts", request)),
        "sample": asdict(sample),
    }


def _memory(folder: Path, cases: int) -> dict[str, float]:
    os.environ["OMP_NUM_THREADS"] = "1"
    table = _manifest(folder, cases, first=1_000_000)
    quick = ["--workers", "2", "--steps", "1", "--least-quality", "0"]
    return asdict(measure_memory(table, folder / "memory", quick, cases))


if __name__ == "__main__":
    main()
