"""A long run of ``synthesize``: memory, time and writing for each result must not grow, and no result may be lost."""

from __future__ import annotations

import csv
import hashlib
import os
import statistics
import time
from pathlib import Path
from typing import Any

from checks import temporary
from commands import Inputs
from processes import Process

__all__ = ["make_many"]

#: Most growth from the second tenth of the results to the last: of memory, of processor time and of written bytes. The
#: processor time of the quickest tenth of a tenth counts, because other work on the machine slows the processor.
_MOST_GROWTH = {"rss_mb": 1.05, "cpu_s": 1.25, "written_kb": 1.1}


def make_many(inputs: Inputs, folder: Path, cases: int) -> dict[str, Any]:
    """Makes many results from one scan, and returns figures of the second and of the last tenth, and the faults."""
    folder.mkdir(parents=True)
    output = folder / "made"
    command = inputs.synthesize(output, inputs.write_manifest("many", f"P4_image.nii.gz,m,{cases},1"))
    process = Process(command, folder / "errors.txt", cold=True)
    samples: list[tuple[int, dict[str, float]]] = []
    table = output / "cases.csv"
    while process.poll() is None:
        made = table.read_bytes().count(b"\n") - 1 if table.exists() else 0
        if made > 0 and (not samples or made > samples[-1][0]):
            samples.append((made, _figures(process.pid)))
        time.sleep(0.2)
    status = process.end()
    tenth = cases // 10
    early, late = _tenth(samples, tenth, 2 * tenth), _tenth(samples, cases - tenth, cases)
    growth = {name: round(late[name] / early[name], 3) for name in early}
    faults = [f"{name} grew {growth[name]} times" for name, most in _MOST_GROWTH.items() if growth[name] > most]
    if status != 0:
        faults.append(f"status {status}: {process.said()[-600:]}")
    return {"cases": cases, "early": early, "late": late, "growth": growth, "faults": faults + _lost(output, cases)}


def _figures(pid: int) -> dict[str, float]:
    """Memory in MB, and processor seconds and written kB since the start. Linux only."""
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        rss = float(status["VmRSS"].split()[0]) / 1024
    except (OSError, KeyError):  # It has just ended.
        return {}
    ticks = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    return {"rss_mb": rss, "cpu_s": ticks, "written_kb": int(io["wchar"]) / 1000}


def _tenth(samples: list[tuple[int, dict[str, float]]], first: int, last: int) -> dict[str, float]:
    """Median memory, least processor seconds and mean written kB for each result, between two numbers of results."""
    within = [(made, figures) for made, figures in samples if first <= made <= last and figures]
    part = (last - first) // 10
    cpu = []
    for at, (made, begun) in enumerate(within):
        later = next(((more, ended) for more, ended in within[at:] if more >= made + part), None)
        if later is not None:
            cpu.append((later[1]["cpu_s"] - begun["cpu_s"]) / (later[0] - made))
    written = (within[-1][1]["written_kb"] - within[0][1]["written_kb"]) / (within[-1][0] - within[0][0])
    rss = statistics.median(figures["rss_mb"] for _, figures in within)
    return {"rss_mb": round(rss, 1), "cpu_s": round(min(cpu), 3), "written_kb": round(written, 1)}


def _lost(output: Path, cases: int) -> list[str]:
    """Faults in the results: each is there once, with its files, and differs from the others."""
    with (output / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [("m", str(seed)) for seed in range(cases)]
    faults = (
        [] if [(row["name"], row["seed"]) for row in rows] == expected else ["the table is not that of the manifest"]
    )
    names = {f"m_{seed}{end}" for seed in range(cases) for end in ("_image.nii.gz", "_mask.nii.gz", ".provenance.json")}
    if {path.name for path in output.iterdir()} != names | {"cases.csv", "truth.csv"}:
        faults.append("files are lost or too many")
    images = {hashlib.sha256((output / row["image"]).read_bytes()).hexdigest() for row in rows}
    if len(images) != cases or images != {row["image_sha256"] for row in rows}:
        faults.append("images are equal, or differ from the table")
    return faults + [f"{name} was left" for name in temporary(output)]
