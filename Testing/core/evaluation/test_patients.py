"""Patients, and not scans, are kept apart and counted: by the pattern of the bundle and of the other networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hot_finder import hot_finder
from small_cases import write_case

from TumorGenCore import TumorGenerator
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.patients import check_unseen, load_patients, load_training_cases, patient_patterns
from TumorGenCore.evaluation.report import EvaluationPlan, evaluate
from TumorGenCore.evaluation.studies.comparison import compare
from TumorGenCore.evaluation.studies.usefulness import UsefulnessRun, usefulness
from TumorGenCore.training.config import DataSettings, SegmenterRun

BY_NUMBER, EACH = r"^(.+)_\d+$", r"^(.+)$"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name, center in (("A_1", (-25.0, 0.0, 0.0)), ("A_2", (25.0, 0.0, 8.0)), ("B_1", None)):
        write_case(folder, name, center)
    return folder


@pytest.fixture
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    """A generator that learned from A_1, in a split by patient."""
    made = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    made.bundle.notes["cases"] = {"training": ["A_1"], "validation": ["A_2"], "patient_pattern": BY_NUMBER}
    return made


def test_another_scan_of_a_training_patient_is_refused_by_every_study(data, generator, tmp_path) -> None:
    words = "bundle was trained on the patients of A_2"
    with pytest.raises(TrainingDataError, match=words):
        evaluate(generator, EvaluationPlan(data, tmp_path / "out", ["A_2", "B_1"]))
    with pytest.raises(TrainingDataError, match=words):
        compare(generator, data, tmp_path / "out", hot_finder(4.0))
    # The training scan need not be in the folder.
    with pytest.raises(TrainingDataError, match=words):
        usefulness(generator, tmp_path, tmp_path / "out", UsefulnessRun())
    assert not (tmp_path / "out").exists()


def test_the_pattern_of_the_other_network_counts_for_a_bundle_without_one(data, generator, tmp_path) -> None:
    del generator.bundle.notes["cases"]["patient_pattern"]
    plan = EvaluationPlan(data, tmp_path / "out", ["A_2"])
    with pytest.raises(TrainingDataError, match="bundle was trained on the patients of A_2"):
        evaluate(generator, plan, hot_finder(4.0, (), BY_NUMBER))
    generator.bundle.notes["cases"]["training"] = []
    with pytest.raises(TrainingDataError, match="segmenter was trained on the patients of A_2"):
        evaluate(generator, plan, hot_finder(4.0, ("A_1",), BY_NUMBER))
    run = UsefulnessRun(segmenter=SegmenterRun(data=DataSettings(patient_pattern=BY_NUMBER)))
    generator.bundle.notes["cases"]["training"] = ["A_1"]
    with pytest.raises(TrainingDataError, match="trained on the patients of A_2"):
        usefulness(generator, data, tmp_path / "out", run)


def test_cases_get_the_patient_of_the_pattern_that_finds_the_fewest(data, generator) -> None:
    def patients(patterns, names=("A_1", "A_2", "B_1")) -> list[str]:
        return [case.patient for case in load_patients(data, names, patterns)]

    assert patients([EACH, BY_NUMBER]) == patients([BY_NUMBER, EACH]) == ["A", "A", "B"]
    assert patients([]) == patients([EACH]) == patients([r"^(other)"]) == ["A_1", "A_2", "B_1"]
    generator.bundle.notes["cases"]["training"] = ["A_1", "A_2", "gone_1"]
    assert [case.patient for case in load_training_cases(generator.bundle, data, [BY_NUMBER])] == ["A", "A"]


def test_unseen_patients_pass(generator) -> None:
    check_unseen("bundle", ["A_1"], ["B_1", "strange"], [EACH, BY_NUMBER])
    check_unseen("bundle", ["A_1"], ["A_2"], [])  # without a pattern each case is a patient
    with pytest.raises(TrainingDataError, match="patients of A_1"):
        check_unseen("bundle", ["A_1"], ["A_1"], [])


@pytest.mark.parametrize("wrong", ["^(.+", "^.+$", 3, None])
def test_a_bundle_with_a_broken_pattern_is_refused(generator, wrong) -> None:
    assert patient_patterns(generator.bundle, DataSettings()) == (BY_NUMBER, EACH)
    generator.bundle.notes["cases"]["patient_pattern"] = wrong
    with pytest.raises(TrainingDataError, match="patient_pattern"):
        patient_patterns(generator.bundle)
