"""The lesions to show: both sizes, and synthetic ones like the real ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from TumorGenCore.errors import ReaderStudyWarning, TrainingDataError
from TumorGenCore.evaluation.reader_study.choice import choose_lesions
from TumorGenCore.evaluation.reader_study.lesions import StudyLesion

REAL = StudyLesion("real", "", "a_1", "a", 1.0, 5.0, np.zeros((1, 1, 1), np.float32), 2.0)
SYNTHETIC = replace(REAL, truth="synthetic")


def of(lesion: StudyLesion, *volumes: float, patient: str = "a") -> list[StudyLesion]:
    return [replace(lesion, volume_ml=volume, patient=patient) for volume in volumes]


def volumes(lesions: list[StudyLesion], truth: str) -> list[float]:
    return sorted(lesion.volume_ml for lesion in lesions if lesion.truth == truth)


def test_half_of_the_real_lesions_are_large_and_synthetic_ones_match_each() -> None:
    real = of(REAL, 1, 2, 3, 4, 100, 200, 300, 400)
    synthetic = of(SYNTHETIC, 0.3, 1.1, 2.1, 3.1, 4.1, 30, 110, 210, 310, 410, 2000)
    chosen = choose_lesions(real, synthetic, (4, 4), np.random.default_rng(0))
    assert sum(volume >= 10 for volume in volumes(chosen, "real")) == 2
    for a, b in zip(volumes(chosen, "real"), volumes(chosen, "synthetic"), strict=True):
        assert 1 < b / a <= 1.1


def test_real_lesions_with_a_match_come_first() -> None:
    real = of(REAL, 0.1, 2, 3, 9, 15, 200, 900)
    chosen = choose_lesions(real, of(SYNTHETIC, 2.1, 3.1, 15.5, 190), (4, 4), np.random.default_rng(0))
    assert volumes(chosen, "real") == [2, 3, 15, 200]


def test_small_lesions_fill_up_if_large_ones_are_few_and_the_other_way_round() -> None:
    for real, large in ((of(REAL, 1, 2, 3, 4, 50), 1), (of(REAL, 1, 20, 30, 40, 50), 3)):
        chosen = choose_lesions(real, of(SYNTHETIC, 1, 2, 3, 4), (4, 4), np.random.default_rng(0))
        assert [sum(v >= 10 for v in volumes(chosen, "real")), len(volumes(chosen, "real"))] == [large, 4]


def test_patients_are_matched_where_volumes_allow() -> None:
    real = of(REAL, 20) + of(REAL, 22, patient="b")
    synthetic = of(SYNTHETIC, 21, 23) + of(SYNTHETIC, 19, 24, patient="b")
    chosen = choose_lesions(real, synthetic, (2, 2), np.random.default_rng(0))
    assert sorted(lesion.patient for lesion in chosen if lesion.truth == "synthetic") == ["a", "b"]


def test_there_may_be_more_synthetic_lesions_than_real_ones() -> None:
    chosen = choose_lesions(of(REAL, 1, 20), of(SYNTHETIC, 1, 2, 20, 30, 5), (2, 4), np.random.default_rng(0))
    assert (len(volumes(chosen, "real")), len(volumes(chosen, "synthetic"))) == (2, 4)


def test_too_few_lesions_are_warned_about_and_none_is_an_error() -> None:
    with pytest.warns(ReaderStudyWarning, match="only 2 of 5 synthetic"):
        chosen = choose_lesions(of(REAL, 1, 2, 3, 4, 5), of(SYNTHETIC, 1, 2), (5, 5), np.random.default_rng(0))
    assert (len(volumes(chosen, "real")), len(volumes(chosen, "synthetic"))) == (5, 2)
    with pytest.raises(TrainingDataError, match="No real lesion"):
        choose_lesions([], of(SYNTHETIC, 1), (5, 5), np.random.default_rng(0))
