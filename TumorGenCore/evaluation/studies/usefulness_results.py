"""The results of `tumorgen usefulness`: means of each arm over patients, by groups of lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from TumorGenCore.evaluation.features.resampling import mean_of_patients
from TumorGenCore.evaluation.statistics import mean_of_known, patient_means
from TumorGenCore.evaluation.studies.usefulness_scans import SCAN_FIGURES

__all__ = ["ARMS", "BASE", "GROUPS", "results"]

#: Labels of the arms by their names in folders and results.
ARMS = {
    "real": "few real",
    "copy-paste": "few real + copy-paste",
    "rule-based": "few real + rule-based",
    "tumorgen": "few real + TumorGen",
    "all-real": "all real (ceiling)",
}
BASE = "real"
#: Limits between the volume groups of small lesions, ml, and the groups of lesions in the report.
SIZES_ML = (2.0, 10.0)
GROUPS = (
    "own size",
    "made small",
    "made small: below 2 ml",
    "made small: 2 to 10 ml",
    "made small: from 10 ml",
    "shapes of the field",
)


def results(rows: Mapping[str, Mapping[int, list[dict]]]) -> dict:
    """Returns the results of every arm (``arms``), and the number of scans in every group (``groups``).

    Args:
        rows: for each arm and seed, one row per scan, with its ``SCAN_FIGURES``.
    """
    scans = {group: len({row["name"] for row in _of_group(rows[BASE][0], group)}) for group in GROUPS}
    return {"groups": scans, "arms": _summary(rows)}


def _summary(rows: Mapping[str, Mapping[int, list[dict]]]) -> dict:
    summary: dict = {}
    for arm, by_seed in rows.items():
        groups: dict = {}
        for group in GROUPS:
            groups[group] = {}
            for figure in SCAN_FIGURES:
                here = _by_patient(by_seed, group, figure)
                base = _by_patient(rows[BASE], group, figure)
                seeds = [_by_patient({seed: some}, group, figure) for seed, some in by_seed.items()]
                groups[group][figure] = {
                    **mean_of_patients(here),
                    "seeds": [mean_of_known(values.values()) for values in seeds],
                    "over_real": mean_of_patients({p: here[p] - base[p] for p in here}) if arm != BASE else None,
                }
        summary[arm] = {"label": ARMS[arm], "groups": groups, "rows": {str(s): some for s, some in by_seed.items()}}
    return summary


def _by_patient(by_seed: Mapping[int, list[dict]], group: str, figure: str) -> dict[str, float]:
    """Means over the scans of a patient and the seeds."""
    return patient_means([row for rows in by_seed.values() for row in _of_group(rows, group)], figure)


def _of_group(rows: Sequence[dict], group: str) -> list[dict]:
    return [row for row in rows if group in _groups_of(row)]


def _groups_of(row: dict) -> tuple[str, ...]:
    if row["kind"] == "small":
        return GROUPS[1], GROUPS[2 + int(np.digitize(row["volume_ml"], SIZES_ML))]
    return (GROUPS[0] if row["kind"] == "own" else GROUPS[-1],)
