"""Classifiers: equal samples cannot be told apart, different ones can, and no patient helps to tell its own lesions."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.evaluation.two_sample.classifiers import (
    auc_interval,
    auc_of,
    features_pipelines,
    out_of_fold,
    slices_pipelines,
)

PATIENTS = np.repeat([f"P{n:02d}" for n in range(30)], 2)
SYNTHETIC = np.tile([False, True], 30)


def values(shift: float = 0.0, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(60, 6))
    made[SYNTHETIC, 0] = made[SYNTHETIC, 0] * spread + shift
    return made


def test_equal_samples_cannot_be_told_apart():
    areas = [
        auc_of(out_of_fold(values(seed=n), SYNTHETIC, PATIENTS, features_pipelines, deals=1), SYNTHETIC)
        for n in range(8)
    ]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.06)


def test_a_shifted_feature_tells_them_apart():
    assert auc_of(out_of_fold(values(shift=3), SYNTHETIC, PATIENTS, features_pipelines), SYNTHETIC) > 0.9


def test_the_forest_sees_a_difference_of_spread_that_no_line_can():
    assert auc_of(out_of_fold(values(spread=0.05), SYNTHETIC, PATIENTS, features_pipelines), SYNTHETIC) > 0.7


def test_a_missing_feature_tells_too():
    made = values()
    made[SYNTHETIC, 2] = np.nan
    assert auc_of(out_of_fold(made, SYNTHETIC, PATIENTS, features_pipelines), SYNTHETIC) > 0.95


def test_what_only_marks_a_patient_does_not_help():
    """Two lesions of a patient have the same label; a fold that shared patients would know it by the patient's mark."""
    rng = np.random.default_rng(0)
    label_of = dict(zip(np.unique(PATIENTS), rng.permutation([False, True] * 15), strict=True))
    labels = np.array([label_of[patient] for patient in PATIENTS])
    marks = np.eye(30)[np.unique(PATIENTS, return_inverse=True)[1]]
    assert auc_of(out_of_fold(marks, labels, PATIENTS, features_pipelines), labels) < 0.6


def test_many_features_of_slices_are_told_apart_by_their_components():
    made = np.random.default_rng(0).normal(size=(60, 300))
    made[SYNTHETIC] += 1.5 * np.random.default_rng(1).normal(size=300)
    assert auc_of(out_of_fold(made, SYNTHETIC, PATIENTS, slices_pipelines), SYNTHETIC) > 0.95


def test_the_interval_holds_the_area_and_needs_five_patients():
    scores = SYNTHETIC + np.random.default_rng(0).normal(size=60)
    area, interval = auc_interval(scores, SYNTHETIC, PATIENTS)
    assert interval is not None and 0.5 < interval[0] < area < interval[1] < 1
    assert area == pytest.approx(np.mean(scores[SYNTHETIC][:, None] > scores[~SYNTHETIC]))
    assert auc_interval(scores[:8], SYNTHETIC[:8], PATIENTS[:8])[1] is None
    assert auc_interval(SYNTHETIC.astype(float), SYNTHETIC, PATIENTS) == (1, [1, 1])
