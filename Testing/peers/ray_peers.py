"""Makes cases on a real Ray cluster of this machine, and kills a worker, a node and the run itself meanwhile.

    make ray-peers                     1,000 cases with three kills, then the rate beside worker processes
    make ray-peers CASES=60            fewer cases

The cluster has a head and two nodes, each a process of its own. Ends with 1 if a case is lost, made twice or differs
from an undisturbed run of worker processes. The figures go to docs/soak.md by hand.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
import SimpleITK as sitk
from cohort_folders import content
from cohort_rate import moments, rate_of, results_in, start, until
from ray.cluster_utils import Cluster
from tiny_bundle import write_tiny_bundle

from TumorGenCore.version import software_version

_SECONDS = 1800


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="number of cases (default: 1000)")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny = ["--model", str(write_tiny_bundle(folder / "tiny")), "--steps", "1", "--least-quality", "0"]
        table = _manifest(folder, options.cases)
        with _cluster((2, 1)) as (address, nodes):
            disturbed = _disturbed(table, folder / "ray", [*tiny, "--ray", address], options.cases, nodes)
        start(table, folder / "pool", [*tiny, "--workers", "2"]).wait(_SECONDS)
        there, wanted = content(folder / "ray"), content(folder / "pool")
        rows = [(row["name"], row["seed"]) for row in _rows(folder / "ray")]
        figures: dict[str, Any] = {
            "TumorGen": software_version(),
            "Ray": ray.__version__,
            "cases": options.cases,
            **disturbed,
            "lost": options.cases - len(set(rows)),
            "twice": len(rows) - len(set(rows)),
            "files that differ from an undisturbed run": sum(
                there.get(name) != wanted.get(name) for name in {*there, *wanted}
            ),
        }
        real = _manifest(folder, 40, edge=96)
        pool = _rate(real, folder / "pool-rate", ["--workers", "2"])
        with _cluster((2,)) as (address, _):
            figures["rate of Ray over that of worker processes"] = round(
                _rate(real, folder / "ray-rate", ["--ray", address, "--workers", "2"]) / pool, 2
            )
    print(json.dumps(figures, indent=1))
    wrong = ("lost", "twice", "files that differ from an undisturbed run")
    return int(any(figures[name] for name in wrong))


def _manifest(folder: Path, cases: int, edge: int = 40) -> Path:
    """Writes scans of noise around 1 SUV with 20 cases each, and their table."""
    lines = ["image,name,box,count,suv_factor"]
    for n in range(-(-cases // 20)):
        scan = folder / f"scan{edge}-{n}.nii.gz"
        values = np.random.default_rng(n).gamma(20, 1 / 20, (edge,) * 3).astype(np.float32)
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((4, 4, 4))
        sitk.WriteImage(image, str(scan))
        middle = (edge - 1) * 2
        lines.append(f'{scan.name},s{n},"{-middle},{-middle},{middle},40,40,40",{min(20, cases - 20 * n)},1')
    table = folder / f"manifest{edge}.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


@contextmanager
def _cluster(processors: tuple[int, ...]) -> Iterator[tuple[str, list[tuple[Cluster, Any]]]]:
    """Starts a head without processors and nodes with some; yields the address and the nodes."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [(cluster, cluster.add_node(num_cpus=count)) for count in processors]
        cluster.wait_for_nodes()
        yield cluster.address, nodes
    finally:
        cluster.shutdown()


def _disturbed(
    table: Path, output: Path, options: list[str], cases: int, nodes: list[tuple[Cluster, Any]]
) -> dict[str, Any]:
    """Kills a worker after a fifth of the cases, a node after two and the run after three, and starts the run again."""
    run = start(table, output, options)
    until(lambda: results_in(output) >= cases // 5, run)
    workers = [process for process in psutil.process_iter(["name"]) if "Station" in (process.info["name"] or "")]
    workers[0].kill()
    until(lambda: results_in(output) >= 2 * cases // 5, run)
    cluster, node = nodes[1]
    cluster.remove_node(node, allow_graceful=False)
    until(lambda: results_in(output) >= 3 * cases // 5, run)
    run.send_signal(signal.SIGKILL)
    run.wait()
    at_kill = results_in(output)
    status = start(table, output, [*options, "--resume"]).wait(_SECONDS)
    return {
        "workers at first": len(workers),
        "in the table at the kill of the run": at_kill,
        "status at the end": status,
    }


def _rate(table: Path, output: Path, options: list[str]) -> float:
    return rate_of(moments(start(table, output, options), output))


def _rows(output: Path) -> list[dict[str, str]]:
    try:
        with (output / "cases.csv").open(newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    sys.exit(main())
