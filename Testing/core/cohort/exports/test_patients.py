"""Patients are found by rows, by equal scans and by a pattern; folds keep them whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from TumorGenCore.cohort.exports.finished import Case
from TumorGenCore.cohort.exports.patients import folds_of, patients_of
from TumorGenCore.errors import ExportError


def case(name: str, scan: str, seed: int = 0) -> Case:
    return Case(name, seed, Path(), Path(), None, {}, (), {"input_sha256": scan})


def test_rows_of_the_same_scan_belong_to_one_patient():
    cases = [case("a", "1"), case("b", "2"), case("a", "1", seed=1), case("c", "2"), case("d", "3")]
    assert patients_of(cases) == ["a", "b", "a", "b", "d"]


def test_a_pattern_joins_scans_and_what_they_share_with_others():
    cases = [case("P1_x", "1"), case("P2_x", "2"), case("P1_y", "3"), case("P3_x", "3")]
    assert patients_of(cases, r"^(P\d)_") == ["P1_x", "P2_x", "P1_x", "P1_x"]


@pytest.mark.parametrize("pattern", ["(", "P1", r"^(X)"])
def test_a_pattern_that_finds_nothing_is_refused(pattern):
    with pytest.raises(ExportError, match="patient pattern"):
        patients_of([case("P1", "1")], pattern)


def test_folds_hold_every_case_once_and_are_about_equal():
    patients = [f"P{n % 7}" for n in range(30)]
    folds = folds_of(patients, 3)
    assert sorted(n for fold in folds for n in fold) == list(range(30))
    sides = [{patients[n] for n in fold} for fold in folds]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert max(map(len, folds)) - min(map(len, folds)) <= 5
    assert len(folds_of(["a", "b", "b"], 5)) == 2 and folds_of(["a", "a"], 5) == []
