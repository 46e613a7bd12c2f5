"""Simulates 100,000 cases of `tumorgen synthesize` on 8 and on 64 workers: `make simulate-cohort`.

The real scheduling runs with a clock that jumps, and workers that take the times of ``bench_workers.py
--parts-of-time``: some cases are slow, workers and machines are lost, and the driver is killed twice and continues with
--resume. The driver itself, its tables and its memory are measured in the real run with workers that make nothing.
One seed always gives the same run. The figures go to docs/results.md by hand.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from case_times import generator_of_a_worker
from driver_cost import DriverCost, Sample, cohort_rows, measure_driver
from virtual_crew import Assumed, Measured, Simulated, simulate

#: Workers of the plot.
ALL_WORKERS = tuple(2**n for n in range(9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--measured", type=Path, default=Path("bench-output/workers.json"), help="of bench_workers.py")
    parser.add_argument("--cases", type=int, default=100_000, help="results of the run")
    parser.add_argument("--scans", type=int, default=1000, help="scans of the run")
    parser.add_argument("--workers", type=int, nargs="+", default=[8, 64], help="numbers of workers")
    parser.add_argument("--seed", type=int, default=0, help="chooses times and losses")
    for one in fields(Assumed):
        option = f"--{one.name.replace('_', '-')}"
        parser.add_argument(option, type=type(one.default), default=one.default, help="assumed; see virtual_crew.py")
    parser.add_argument("--driver-cases", type=int, help="results to measure the driver with (default: --cases)")
    parser.add_argument("--disk", type=Path, help="folder on the disk to measure (default: that of temporary files)")
    parser.add_argument("--plot", action="store_true", help="simulate 1 to 256 workers, and draw a picture")
    parser.add_argument("--output", type=Path, default=Path("bench-output/simulated.json"), help="file for the figures")
    options = parser.parse_args()
    there = json.loads(options.measured.read_text())
    measured = measured_from(there)
    assumed = Assumed(**{one.name: getattr(options, one.name) for one in fields(Assumed)})
    rows = cohort_rows(Path("scan.nii.gz"), options.cases, options.scans)
    numbers = sorted({*options.workers, *(ALL_WORKERS if options.plot else ())})
    runs = [simulate(workers, rows, measured, assumed, options.seed) for workers in numbers]
    print(_table([run for run in runs if run.workers in options.workers]))
    with tempfile.TemporaryDirectory(dir=options.disk) as folder:
        driver = measure_driver(
            generator_of_a_worker(),
            Sample(**there["sample"]),
            Path(folder),
            options.driver_cases or options.cases,
            options.scans,
            max(options.workers),
        )
    print(_driver_table(driver))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    figures = {"assumed": asdict(assumed), "runs": [asdict(run) for run in runs], "driver": asdict(driver)}
    options.output.write_text(json.dumps(figures, indent=1) + "\n")
    if options.plot:
        _plot(runs, options.output.with_suffix(".png"))


def measured_from(there: Mapping[str, Any]) -> Measured:
    """Returns the times in the file of ``bench_workers.py``."""
    return Measured(
        reading_s=there["reading_s"],
        case_s=there["case_s"],
        start_s=there["start_s"],
        driver_s=there["driver_s"],
        resume_scan_s=there["resume"]["scan_s"],
        resume_result_s=there["resume"]["result_s"],
    )


def _table(runs: Sequence[Simulated]) -> str:
    """Returns the runs as a table for docs/results.md."""
    lines = {
        "hours": [f"{run.hours:.2f}" for run in runs],
        "efficiency: useful seconds of all workers' seconds": [f"{run.efficiency:.1%}" for run in runs],
        "lost work, hours of workers": [f"{run.lost_hours:.2f} ({run.lost_share:.2%})" for run in runs],
        "workers lost": [str(run.lost_workers) for run in runs],
        "results left out": [str(run.left_out) for run in runs],
        "a resumed run until its workers start, s": [f"{fmean(run.resume_s or [0]):.0f}" for run in runs],
        "time without a driver, after a kill": [f"{run.away_share:.1%}" for run in runs],
        "results that wait for the driver, mean": [f"{run.queue:.2f}" for run in runs],
        "time in which the driver works": [f"{run.driver_share:.1%}" for run in runs],
    }
    head = [f"| | {' | '.join(f'{run.workers} workers' for run in runs)} |", "| --- |" + " --- |" * len(runs)]
    return "\n".join([*head, *(f"| {name} | {' | '.join(cells)} |" for name, cells in lines.items())])


def _driver_table(driver: DriverCost) -> str:
    lines = {
        "for each result, first tenth": f"{driver.early_ms:.2f} ms",
        "for each result, last tenth": f"{driver.late_ms:.2f} ms",
        "of it, computing": f"{driver.processor_ms:.2f} ms",
        "growth of the memory": f"{driver.memory_mib:.0f} MiB",
        **{name: f"{size:.1f} MB" for name, size in driver.tables_mb.items()},
        "tables put in order": f"{driver.sort_s:.1f} s",
        "resumed run: looks for each file": f"{driver.check_s:.1f} s",
        "resumed run: reads the tables": f"{driver.read_s:.1f} s",
    }
    head = [f"| driver, {driver.results:,} results of {driver.workers} workers | |", "| --- | --- |"]
    return "\n".join([*head, *(f"| {name} | {cell} |" for name, cell in lines.items())])


def _plot(runs: Sequence[Simulated], path: Path) -> None:
    from matplotlib.figure import Figure

    workers = [run.workers for run in runs]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(workers, [100 * run.efficiency for run in runs], "o-")
    left.set(ylabel="efficiency, %", ylim=(0, 100))
    right.plot(workers, [run.queue for run in runs], "o-")
    right.set(ylabel="results that wait for the driver")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(workers, [str(number) for number in workers])
        axes.set(xlabel="workers")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
