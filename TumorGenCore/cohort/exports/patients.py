"""Which results belong to one patient, and folds that keep a patient on one side."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.errors import ExportError

__all__ = ["folds_of", "patients_of"]


def patients_of(cases: Sequence[Case], pattern: str | None = None) -> list[str]:
    """Returns the patient of each case, by the name of the patient's first row.

    Results of one row, and rows whose scans have the same voxels, belong to one patient. So do rows whose names have
    the same first group of ``pattern``.

    Args:
        cases: the results.
        pattern: regular expression with a group that finds the patient in the name of a row, such as ``^([^_]+)_``.

    Raises:
        ExportError: the pattern is no regular expression with a group, or does not match a name.
    """
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    compiled = None if pattern is None else _compiled(pattern)
    for case in cases:
        links = [f"scan {case.provenance['input_sha256']}"]
        if compiled is not None:
            if (found := compiled.match(case.name)) is None or not found[1]:
                raise ExportError(f"The patient pattern finds no patient in the name '{case.name}'. Correct it.")
            links.append(f"patient {found[1]}")
        for link in links:
            parents[root(link)] = root(f"row {case.name}")
    first: dict[str, str] = {}
    return [first.setdefault(root(f"row {case.name}"), case.name) for case in cases]


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ExportError(f"The patient pattern {pattern!r} is no regular expression ({error}). Correct it.") from error
    if not compiled.groups:
        raise ExportError(f"The patient pattern {pattern!r} has no group. Put the patient in round brackets.")
    return compiled


def folds_of(patients: Sequence[str], most: int) -> list[list[int]]:
    """Divides cases into folds of about equal size, so that all cases of a patient are in one.

    The folds depend on the names only: the largest patients first, each into the smallest fold.

    Args:
        patients: the patient of each case.
        most: wished number of folds; there are at most as many as patients.

    Returns:
        The indices of the cases of each fold; empty if there is only one patient.
    """
    sizes = Counter(patients)
    if len(sizes) < 2:
        return []
    fold_of: dict[str, int] = {}
    filled = [0] * min(most, len(sizes))
    for patient in sorted(sizes, key=lambda name: (-sizes[name], hashlib.sha256(name.encode()).digest())):
        fold_of[patient] = filled.index(min(filled))
        filled[fold_of[patient]] += sizes[patient]
    return [[n for n, patient in enumerate(patients) if fold_of[patient] == fold] for fold in range(len(filled))]
