"""Computes the figures of ``lesions.lesion_sizes`` from the tables of the shape library.

    python Testing/benchmarks/lesion_laws.py SHAPES

SHAPES is the folder with fdg_lung_tumours.csv and fdg_breast_tumours.csv. Patients whose shapes judge are left out.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np

JUDGING = Path(__file__).parents[2] / "Resources" / "Training" / "shapes-judging.csv"
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def law_figures(table: Path) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Returns the volumes and the numbers of a law, as ``LesionLaw`` has them.

    Args:
        table: a table of the shape library with the columns patient, series and volume_ml.
    """
    with JUDGING.open(newline="") as file:
        judging = {(row["set"], row["patient"]) for row in csv.DictReader(file)}
    with table.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (table.stem, row["patient"]) not in judging]
    volumes = np.quantile([float(row["volume_ml"]) for row in rows], SHARES)
    scans = Counter(Counter(row["series"] for row in rows).values())
    shares = np.cumsum([scans[number] for number in sorted(scans)]) / scans.total()
    numbers = [(round(float(share), 3), number) for share, number in zip(shares, sorted(scans), strict=True)]
    return [(share, round(float(volume), 3)) for share, volume in zip(SHARES, volumes, strict=True)], numbers


if __name__ == "__main__":
    for name in ("fdg_lung_tumours", "fdg_breast_tumours"):
        print(name, *law_figures(Path(sys.argv[1]) / f"{name}.csv"), sep="\n  ")
