"""Tests the simulated run against runs that were worked out by hand, and the measured driver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cohort_folders import table
from driver_cost import Sample, cohort_rows, measure_driver
from virtual_crew import Assumed, Measured, simulate

from TumorGenCore.cohort.tables import CASES_COLUMNS, truth_lines
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.truth_columns import COLUMNS as TRUTH_COLUMNS

#: Two scans with three results each, on two workers.
ROWS = cohort_rows(Path("scan.nii.gz"), 6, 2)
TIMES = Measured([1.0], [2.0], [4.0], driver_s=0.0, resume_scan_s=10.0, resume_result_s=1.0)
NO_LOSS = Assumed(slow_share=0, worker_hours=1e9, node_hours=1e9, driver_kills=0, notice_s=100)


def test_simulated_runs():
    run = simulate(2, ROWS, TIMES, NO_LOSS, 0)  # driver 4 s, workers 4 s, reading 1 s, three results of 2 s each
    assert run.hours * 3600 == pytest.approx(15)
    assert run.efficiency == pytest.approx(14 / 30) and run.lost_hours == 0

    # Both workers end together at 11 s. One goes on at once, the other when the driver has kept the first result; from
    # then on they end half a second apart.
    busy = simulate(2, ROWS, replace(TIMES, driver_s=0.5), NO_LOSS, 0)
    assert busy.hours * 3600 == pytest.approx(16)
    assert busy.queue == pytest.approx(0.5 / 16) and busy.driver_share == pytest.approx(6 * 0.5 / 16)

    # Killed with the third result, at 13 s: the fourth is lost. 100 s until somebody starts it, then 4 s, two scans and
    # three results; workers of 4 s read again, and at the end one helps the other with a scan that it must read.
    killed = simulate(2, ROWS, TIMES, replace(NO_LOSS, driver_kills=1), 0)
    assert killed.resume_s == (4 + 20 + 3,) and killed.away_share == pytest.approx(127 / 150)
    assert killed.hours * 3600 == pytest.approx(13 + 100 + 27 + 4 + 3 + 3)
    assert killed.lost_hours * 3600 == pytest.approx(2 + 2 + 1) and killed.lost_workers == 0

    rows, often = cohort_rows(Path("scan.nii.gz"), 600, 6), replace(NO_LOSS, worker_hours=0.02, driver_kills=2)
    lossy = [simulate(8, rows, TIMES, often, seed) for seed in (1, 1, 2)]
    assert lossy[0] == lossy[1] != lossy[2]
    assert lossy[0].lost_workers > 0 and lossy[0].lost_hours > 0 and len(lossy[0].resume_s) == 2


def test_the_driver_keeps_every_result(tiny_bundle_folder: Path, tmp_path: Path) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, "cpu")
    truth = truth_lines([dict.fromkeys(TRUTH_COLUMNS, 1) | {"simulation": "a_3"}])
    sample = Sample({column: "1.25" for column in CASES_COLUMNS} | {"name": "a", "seed": "3"}, truth.decode())
    cost = measure_driver(generator, sample, tmp_path, 30, 3, 4)
    assert cost.early_ms > 0 and cost.late_ms > 0 and set(cost.tables_mb) == {"cases.csv", "truth.csv"}
    cases, lesions = (table(tmp_path / "driver", name) for name in ("cases.csv", "truth.csv"))
    names = [(f"scan{n // 10}", str(n)) for n in range(30)]
    assert [(row["name"], row["seed"]) for row in cases] == names
    assert [row["simulation"] for row in lesions] == ["_".join(name) for name in names]
