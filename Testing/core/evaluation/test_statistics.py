"""Means, medians and quantiles of values, some of which are unknown."""

from __future__ import annotations

import math

from TumorGenCore.evaluation.statistics import mean_of_known, median_of_known, patient_means, quantiles


def test_means_are_of_what_is_known() -> None:
    assert mean_of_known([1.0, None, 3.0]) == 2.0
    assert median_of_known([1.0, None, 2.0, 9.0]) == 2.0
    assert mean_of_known([None]) is None and median_of_known([]) is None


def test_a_patient_s_mean_is_over_its_known_rows_and_a_patient_without_any_is_left_out() -> None:
    figures = [("B", 1.0), ("A", 2.0), ("B", None), ("B", 3.0), ("C", None)]
    found = patient_means([{"patient": patient, "dice": value} for patient, value in figures], "dice")
    assert list(found.items()) == [("A", 2.0), ("B", 2.0)]


def test_quantiles_leave_out_what_was_not_measured():
    assert quantiles([1.0, 2.0, 3.0, math.nan]) | {"n": 3, "q50": 2.0} == quantiles([1.0, 2.0, 3.0])
    assert quantiles([])["q50"] is None
    assert list(quantiles([2.0], (0.1, 0.5))) == ["n", "q10", "q50"]
