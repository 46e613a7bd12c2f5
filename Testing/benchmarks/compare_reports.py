"""Compares two reports of `tumorgen evaluate`: do the second one's figures lie in the first one's intervals?

    tumorgen evaluate --data DATA --output ten
    tumorgen evaluate --data DATA --model pet-fdg-v2-4step --output four
    python Testing/benchmarks/compare_reports.py ten/report.json four/report.json

Both reports need the same sites and seeds. Prints a line per figure: the mean of the first report with its 95 %
interval over patients, the mean of the second report, and whether this lies in the interval. All sites of a patient
count as one; each site of the phantom counts by itself.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from TumorGenCore.evaluation.features.resampling import mean_of_patients
from TumorGenCore.evaluation.report import FIGURES
from TumorGenCore.evaluation.sites import GROUPS
from TumorGenCore.evaluation.statistics import patient_means

#: Mean and its interval, None if the report has no interval.
Measured = tuple[float, list[float] | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, nargs=2, metavar="REPORT")
    first, second = (json.loads(path.read_text()) for path in parser.parse_args().reports)
    if first["sites"].keys() != second["sites"].keys() or first["seeds"] != second["seeds"]:
        raise SystemExit("The reports have different sites or seeds. Make both with the same --data and --seeds.")
    print("| figure | first | its 95 % interval | second | within |\n| --- | ---: | --- | ---: | --- |")
    theirs = dict(figures(second))
    for name, (mean, interval) in figures(first):
        if name not in theirs or interval is None:
            continue
        low, high = interval
        other = theirs[name][0]
        within = "yes" if low <= other <= high else "no"
        print(f"| {name} | {mean:.3f} | {low:.3f} to {high:.3f} | {other:.3f} | {within} |")


def figures(report: dict) -> Iterator[tuple[str, Measured]]:
    """Yields names and values of the figures that may have an interval over patients."""
    for group in GROUPS:
        rows = [
            {**row, "patient": site if group == "phantom" else row["patient"]}
            for site, row in report["sites"].items()
            if row["group"] == group
        ]
        for figure in FIGURES:
            found = mean_of_patients(patient_means(rows, figure))
            yield f"{figure}, {group} sites", (found["mean"], found["interval"])
    for name, found in report["realism"]["frechet"].items():
        if "value" in found:
            yield f"Frechet distance, {name}", (found["value"], found["value_interval"])
    themes = {"alignment": report["realism"]["alignment"].get("groups", {})}
    themes["synthetic minus real"] = report["realism"].get("equality", {})
    for theme, groups in themes.items():
        for group, rows in groups.items():
            for measure, found in rows.items() if isinstance(rows, dict) else ():
                if isinstance(found, dict) and found.get("mean") is not None:
                    yield f"{theme}, {measure}, {group} sites", (found["mean"], found["interval"])


if __name__ == "__main__":
    main()
