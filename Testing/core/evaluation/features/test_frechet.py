"""Frechet distances, compared with the closed form for two Gaussians."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.evaluation.features.frechet import Projection, frechet_distance, frechet_of_features
from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import Rows


def exactly(mean, deviation, n=4000):
    """A sample whose mean and (diagonal) covariance are exactly these."""
    x = np.random.default_rng(len(mean)).normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x * deviation + mean


def rows(values, prefix) -> Rows:
    n = len(values)
    return Rows(np.array([f"{prefix}{p}" for p in range(n)]), np.zeros(n, int), values)


def test_two_gaussians_have_their_closed_form():
    a, b = exactly([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), exactly([3.0, 1.0, -2.0], [2.0, 2.0, 0.5])
    assert frechet_distance(a, b) == pytest.approx(9 + 16 + 1 + 0 + 2.5**2)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    # Covariances that do not commute: tr((S_a S_b)^1/2) by the eigenvalues of the product.
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    cov_a, cov_b = np.diag([1.0, 4.0, 9.0]), turn @ np.diag([4.0, 4.0, 0.25]) @ turn.T
    turned = (b - b.mean(axis=0)) @ turn.T
    cross = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).real).sum()
    expected = np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    assert frechet_distance(a - a.mean(axis=0), turned) == pytest.approx(expected)


def test_the_projection_keeps_the_spread_and_ignores_units_and_constants():
    training = exactly([5.0, -1.0], [1.0, 1000.0], n=50)
    project = Projection.fitted(np.column_stack([training, np.full(50, 7.0)]), 2)
    kept = project(np.column_stack([training, np.full(50, 8.0)]))
    assert kept.var(axis=0, ddof=1).sum() == pytest.approx(1)
    assert project.explained == pytest.approx(1)
    with pytest.raises(LeftOutError, match="the same"):
        Projection.fitted(np.ones((9, 3)), 2)


def test_a_feature_that_is_next_to_silent_in_the_training_decides_nothing_among_those_of_one_kind():
    rng = np.random.default_rng(2)
    silent = 1e-6 * rng.normal(size=(40, 1))
    training = np.hstack([rng.normal(size=(40, 5)), silent])
    spoken = training[:10].copy()
    spoken[0, -1] = 0.1
    own, common = (Projection.fitted(training, 3, common_unit) for common_unit in (False, True))
    assert np.abs(own(spoken) - own(training[:10])).max() > 1000
    assert np.abs(common(spoken) - common(training[:10])).max() < 0.1
    assert common(training).var(axis=0, ddof=1).sum() == pytest.approx(1)


def test_shifted_features_are_far_and_the_floor_is_near():
    rng = np.random.default_rng(0)
    training, held_out = rows(rng.normal(size=(40, 60)), "T"), rows(rng.normal(size=(12, 60)), "H")
    shifted = frechet_of_features(rows(held_out.values + 3, "H"), held_out, training, draws=30)
    assert shifted["components"] == 6
    assert shifted["features"] == 60
    assert shifted["excess_interval"][0] > 0
    again = frechet_of_features(rows(rng.normal(size=(12, 60)), "H"), held_out, training, draws=30)
    low, high = again["excess_interval"]
    assert low < 0 < high


def test_blocks_are_averaged():
    rng = np.random.default_rng(1)
    training, held_out = rng.normal(size=(30, 4)), rng.normal(size=(10, 4))
    once = frechet_of_features(rows(held_out + 1, "H"), rows(held_out, "H"), rows(training, "T"), draws=2)
    doubled = [np.hstack([x, x]) for x in (held_out + 1, held_out, training)]
    twice = frechet_of_features(*(rows(x, p) for x, p in zip(doubled, "HHT", strict=True)), parts=2, draws=2)
    assert twice["value"] == pytest.approx(once["value"])
    assert twice["features"] == 4


def test_too_few_lesions_are_left_out():
    few, many = rows(np.zeros((4, 3)), "H"), rows(np.zeros((9, 3)), "T")
    with pytest.raises(LeftOutError, match="has 4 lesions"):
        frechet_of_features(few, many, many)
