"""Bootstrap over patients: means, distances and their floor, and intervals."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import (
    Rows,
    against_floor,
    bca_interval,
    bootstrap_intervals,
    mean_of_patients,
)


def rows(values, prefix="P", seeds=None) -> Rows:
    values = np.asarray(values, dtype=float).reshape(len(values), -1)
    patients = np.array([f"{prefix}{n % 10}" for n in range(len(values))])
    return Rows(patients, np.zeros(len(values), int) if seeds is None else np.asarray(seeds), values)


def test_groups_are_drawn_in_their_order_and_each_number_has_its_interval() -> None:
    here, there = ["A", "B", "C"], np.arange(4.0)
    drawn = []

    def statistic(some, others):
        drawn.append((list(some), list(others)))
        return others.mean(), len(some)

    found = bootstrap_intervals(statistic, here, there, draws=40, seed=3)
    rng = np.random.default_rng(3)
    assert drawn == [(list(rng.choice(here, 3)), list(rng.choice(there, 4))) for _ in range(40)]
    assert found == [np.percentile([np.mean(others) for _, others in drawn], [2.5, 97.5]).tolist(), [3, 3]]
    assert bootstrap_intervals(np.mean, [7.0, 7.0]) == [[7.0, 7.0]]


def test_patients_are_drawn_with_all_their_rows() -> None:
    some = Rows(np.array(["A", "B", "A"]), np.zeros(3, int), np.array([[1.0], [2.0], [np.nan]]))
    assert some.people.tolist() == ["A", "B"]
    assert some.known().values.ravel().tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(some.drawn(np.array(["B", "A"])).values.ravel(), [2.0, 1.0, np.nan])


def test_seeds_are_averaged_and_not_pooled():
    held_out, training = rows(np.arange(10.0)), rows(np.arange(10.0), "T")
    synthetic = rows(np.concatenate([np.arange(10.0) - 3, np.arange(10.0) + 3]), seeds=[0] * 10 + [1] * 10)
    mean = against_floor(lambda a, b: float(abs(a.mean() - b.mean())), synthetic, held_out, training, draws=5)
    assert mean["value"] == pytest.approx(3)  # pooled, the two seeds would cancel
    assert mean["lesions"] == {"synthetic": 10, "held_out": 10, "training": 10}


def test_too_few_lesions_are_left_out_with_the_reason():
    with pytest.raises(LeftOutError, match="4 training lesions"):
        against_floor(lambda a, b: 0.0, rows(np.arange(9)), rows(np.arange(9)), rows(np.arange(4), "T"))


def test_a_bias_corrected_interval_of_skewed_values_reaches_farther_to_their_long_side() -> None:
    values = np.array([0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 3.0])
    low, high = bca_interval(lambda drawn: float(values[drawn].mean()), len(values), draws=2000)
    ((plain_low, plain_high),) = bootstrap_intervals(np.mean, values, draws=2000)
    assert plain_low < low < values.mean() < plain_high < high
    assert bca_interval(lambda drawn: 0.75, 8, draws=50) == [0.75, 0.75]


def test_every_patient_counts_once_and_a_constant_has_no_width() -> None:
    assert mean_of_patients({"A": 1.0, "B": 2.0}) == {"mean": 1.5, "interval": None, "patients": 2}
    assert mean_of_patients({name: 0.25 for name in "ABCDE"})["interval"] == [0.25, 0.25]
    spread = mean_of_patients({name: float(value) for value, name in enumerate("ABCDEFGHI")})
    assert spread["mean"] == 4.0
    # The mean of nine has the standard deviation 2.58 / 3.
    assert spread["interval"] == pytest.approx([4 - 1.96 * 0.86, 4 + 1.96 * 0.86], abs=0.15)
    assert mean_of_patients({})["mean"] is None
