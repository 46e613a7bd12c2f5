"""Lesion statistics and the distances between their distributions, compared with closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from TumorGenCore.evaluation.features.distributions import (
    compare_statistics,
    lesion_statistics,
    statistic_rows,
)
from TumorGenCore.evaluation.features.resampling import Rows
from TumorGenCore.evaluation.samples import LesionSample


def ball_sample(suv: float = 6.0, radius_mm: float = 20.0, patient: str = "P", seed: int = 0) -> LesionSample:
    spacing = (2.0, 2.0, 2.0)
    k, j, i = (np.indices((40, 40, 40)) - 19.5) * 2
    ball = k**2 + j**2 + i**2 <= radius_mm**2
    image = np.where(ball, suv, 1.0).astype(np.float32)
    return LesionSample(f"{patient} ball", patient, seed, image, ball, spacing)


def rows(values, prefix="P", seeds=None) -> Rows:
    values = np.asarray(values, dtype=float).reshape(len(values), -1)
    patients = np.array([f"{prefix}{n % 10}" for n in range(len(values))])
    return Rows(patients, np.zeros(len(values), int) if seeds is None else np.asarray(seeds), values)


def test_a_ball_of_known_activity_has_its_statistics():
    found = lesion_statistics(ball_sample())
    volume = 4 / 3 * math.pi * 20**3 / 1000
    assert found["volume_ml"] == pytest.approx(volume, rel=0.02)
    assert found["mtv_ml"] == found["volume_ml"]
    assert found["tlg"] == pytest.approx(6 * volume, rel=0.02)
    assert found["suv_max"] == found["suv_mean"] == pytest.approx(6)
    assert found["suv_peak"] == pytest.approx(6)
    assert found["sphericity"] == pytest.approx(1, abs=0.04)
    assert found["necrosis_fraction"] == 0


def test_a_lesion_that_did_not_grow_has_none():
    sample = ball_sample(radius_mm=0.1)
    assert not sample.mask.any()
    assert all(math.isnan(value) for value in lesion_statistics(sample).values())


def test_uptake_doubled_is_ln_2_away_on_the_logarithmic_scale():
    uptakes = np.exp(np.random.default_rng(0).normal(size=40))
    statistics = [{"suv_max": uptake} for uptake in uptakes]
    samples = [ball_sample(patient=f"P{n}") for n in range(len(uptakes))]
    real = statistic_rows(samples, statistics, "suv_max")
    doubled = statistic_rows(samples, [{"suv_max": 2 * uptake} for uptake in uptakes], "suv_max")
    found = compare_statistics(doubled, real, real, draws=20)
    assert found["wasserstein"]["value"] == pytest.approx(math.log(2))
    assert found["wasserstein"]["floor"] == 0
    assert found["kolmogorov_smirnov"]["excess"] > 0.2


def test_distributions_apart_have_a_ks_distance_of_one_and_an_interval_away_from_zero():
    rng = np.random.default_rng(1)
    training, held_out = rows(rng.normal(size=30), "T"), rows(rng.normal(size=20))
    apart = compare_statistics(rows(rng.normal(size=20) + 50), held_out, training, draws=50)
    same = compare_statistics(rows(rng.normal(size=20)), held_out, training, draws=50)
    assert apart["kolmogorov_smirnov"]["value"] == 1
    low, high = apart["wasserstein"]["excess_interval"]
    assert 45 < low < apart["wasserstein"]["excess"] < high < 55
    low, high = same["wasserstein"]["excess_interval"]
    assert low < 0 < high


def test_intervals_follow_their_seed():
    rng = np.random.default_rng(2)
    groups = rows(rng.normal(size=20)), rows(rng.normal(size=20)), rows(rng.normal(size=30), "T")
    assert compare_statistics(*groups, draws=20, seed=3) == compare_statistics(*groups, draws=20, seed=3)
    assert compare_statistics(*groups, draws=20, seed=3) != compare_statistics(*groups, draws=20, seed=4)


def test_what_was_not_measured_is_left_out_with_the_reason():
    unknown = rows([math.nan] * 9)
    assert "0 synthetic lesions" in compare_statistics(unknown, rows(np.arange(9)), rows(np.arange(9), "T"))["left_out"]
