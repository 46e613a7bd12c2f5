"""The scores of readers, computed a second time by other means."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, rankdata

from TumorGenCore.errors import ReaderStudyError, ReaderStudyWarning
from TumorGenCore.evaluation.reader_study.scores_report import write_scores
from TumorGenCore.evaluation.reader_study.scoring import figures_of, score

#: Patients of the study below; each has real and synthetic lesions, large and small, one each.
PATIENTS = [f"P{n}" for n in range(8)]


def write_key(folder: Path, study: str = "s1", patients: list[str] = PATIENTS) -> dict:
    lesions = {
        f"{patient}{truth[0]}{size[0]}": {"truth": truth, "made": truth, "patient": patient, "size": size}
        for patient in patients
        for truth in ("real", "synthetic")
        for size in ("large", "small")
    }
    key = {"format": "tumorgen reader-study key", "version": 1, "study": study, "lesions": lesions}
    (folder / "key.json").write_text(json.dumps(key))
    return lesions


def write_answers(folder: Path, ratings: dict, reader: str = "", study: str = "s1", **more: object) -> Path:
    answers = [{"id": name, "rating": rating, "seconds": 2.0, "window": [0, 10]} for name, rating in ratings.items()]
    content = {"format": "tumorgen reader-study answers", "version": 1, "study": study, "reader": reader}
    path = folder / f"answers{reader}.json"
    path.write_text(json.dumps({**content, "answers": answers, **more}))
    return path


def drawn(lesions: dict, seed: int) -> dict[str, int]:
    """Ratings of a reader who sees a little."""
    rng = np.random.default_rng(seed)
    return {
        name: int(np.clip(rng.integers(1, 6) + (lesion["truth"] == "synthetic"), 1, 5))
        for name, lesion in lesions.items()
    }


def test_figures_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        real, synthetic = rng.integers(1, 6, 30), rng.integers(1, 6, 25)
        table = [[(ratings == n).sum() for n in range(1, 6)] for ratings in (real, synthetic)]
        accuracy, sensitivity, specificity, auc = figures_of(table)
        right = (real < 3).sum() + (synthetic > 3).sum() + ((real == 3).sum() + (synthetic == 3).sum()) / 2
        assert accuracy == pytest.approx(right / 55)
        assert sensitivity == pytest.approx(((synthetic > 3).sum() + (synthetic == 3).sum() / 2) / 25)
        assert specificity == pytest.approx(((real < 3).sum() + (real == 3).sum() / 2) / 30)
        assert auc == pytest.approx(mannwhitneyu(synthetic, real).statistic / (25 * 30))


def test_readers_are_scored_each_together_and_by_size(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    knows = {name: 5 if lesion["truth"] == "synthetic" else 1 for name, lesion in lesions.items()}
    large_only = {name: knows[name] if lesion["size"] == "large" else 3 for name, lesion in lesions.items()}
    paths = [write_answers(tmp_path, knows, "A"), write_answers(tmp_path, large_only, "B")]
    scores = score(tmp_path / "key.json", paths)
    assert [scores["readers"]["A"][group]["auc"] for group in ("all", "large", "small")] == [1, 1, 1]
    assert [scores["readers"]["B"][group]["auc"] for group in ("all", "large", "small")] == [0.875, 1, 0.5]
    assert scores["readers"]["B"]["all"]["accuracy"] == 0.75
    assert scores["readers"]["A"]["all"]["auc_interval"] == [1, 1]
    assert scores["readers"]["A"]["median_seconds"] == 2
    assert scores["pooled"]["all"]["ratings"] == {"real": [24, 0, 8, 0, 0], "synthetic": [0, 0, 8, 0, 24]}
    assert scores["pooled"]["made"]["synthetic"] == {"answers": 32, "called_synthetic": 0.875}
    assert scores["lesions"] == {f"{size} {truth}": 8 for size in ("large", "small") for truth in ("real", "synthetic")}


def test_intervals_draw_whole_patients(tmp_path: Path) -> None:
    """Lesions of a patient that all get the right or the wrong answer carry the news of one patient, not of four."""
    lesions = write_key(tmp_path)
    knows = {name: 5 if lesion["truth"] == "synthetic" else 1 for name, lesion in lesions.items()}
    ratings = {name: knows[name] if lesions[name]["patient"] < "P4" else 6 - knows[name] for name in lesions}
    found = score(tmp_path / "key.json", [write_answers(tmp_path, ratings)])["readers"]["answers"]["all"]
    assert found["accuracy"] == 0.5
    # Eight patients, right or wrong by a coin: quantiles of the binomial distribution over 8.
    assert found["accuracy_interval"] == [1 / 8, 7 / 8]


def test_with_patients_of_one_kind_every_draw_has_both_kinds(tmp_path: Path) -> None:
    lesions = write_key(tmp_path, patients=[f"P{n}" for n in range(12)])
    for lesion in lesions.values():
        lesion["patient"] += lesion["truth"][0]
    key = json.loads((tmp_path / "key.json").read_text())
    (tmp_path / "key.json").write_text(json.dumps({**key, "lesions": lesions}))
    found = score(tmp_path / "key.json", [write_answers(tmp_path, drawn(lesions, 0))])["readers"]["answers"]["all"]
    low, high = found["auc_interval"]
    assert 0 < low < found["auc"] < high < 1
    assert found["patients"] == 24


def test_few_patients_have_no_interval(tmp_path: Path) -> None:
    lesions = write_key(tmp_path, patients=PATIENTS[:4])
    found = score(tmp_path / "key.json", [write_answers(tmp_path, drawn(lesions, 0))])["readers"]["answers"]["all"]
    assert found["auc"] is not None and found["auc_interval"] is None


def test_incomplete_answers_are_warned_about_and_scored(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    some = {name: 5 for name, lesion in lesions.items() if lesion["truth"] == "synthetic"}
    with pytest.warns(ReaderStudyWarning, match=r"answers\.json answers 16 of 32 lesions"):
        scores = score(tmp_path / "key.json", [write_answers(tmp_path, some)])
    assert scores["readers"]["answers"]["answered"] == 16
    assert scores["readers"]["answers"]["all"]["auc"] is None  # no real lesion was answered
    write_scores(scores, tmp_path)
    assert "| answers, all | - | - | - | - | 8 |" in (tmp_path / "scores.md").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"study": "s2"}, "answers the study 's2', but the key is of 's1'"),
        ({"format": "something"}, "not a file of answers"),
        ({"version": 2}, "version 2"),
        ({"answers": []}, "has no answers"),
        ({"answers": 7}, "has no answers"),
        ({"answers": [{"id": "P9rl", "rating": 1, "seconds": 1}]}, "'P9rl', twice or not in the key"),
        ({"answers": [{"id": "P1rl", "rating": 1, "seconds": 1}] * 2}, "'P1rl', twice or not in the key"),
        ({"answers": [{"id": "P1rl", "rating": 6, "seconds": 1}]}, "ratings are 1 to 5"),
        ({"answers": [{"id": "P1rl", "rating": True, "seconds": 1}]}, "ratings are 1 to 5"),
        ({"answers": [{"id": "P1rl", "rating": 2, "seconds": "long"}]}, "seconds for P1rl"),
        ({"answers": [{"id": ["P1rl"], "rating": 2, "seconds": 1}]}, "not in the key"),
    ],
)
def test_wrong_answers_are_refused(tmp_path: Path, change: dict, said: str) -> None:
    lesions = write_key(tmp_path)
    path = write_answers(tmp_path, drawn(lesions, 0))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ReaderStudyError, match=said):
        score(tmp_path / "key.json", [path])


def test_a_wrong_key_is_refused(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    answers = write_answers(tmp_path, drawn(lesions, 0))
    with pytest.raises(ReaderStudyError, match=r"key\.json first"):
        score(answers, [tmp_path / "key.json"])
    with pytest.raises(ReaderStudyError, match="cannot be opened"):
        score(tmp_path / "none.json", [answers])
    key = json.loads((tmp_path / "key.json").read_text())
    del key["lesions"]["P1rl"]["truth"]
    (tmp_path / "key.json").write_text(json.dumps(key))
    with pytest.raises(ReaderStudyError, match="no truth, size, patient or origin for 'P1rl'"):
        score(tmp_path / "key.json", [answers])


def test_a_reader_without_a_usable_code_is_named_after_the_file(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    path = write_answers(tmp_path, drawn(lesions, 0), "R1")
    path.write_text(json.dumps({**json.loads(path.read_text()), "reader": "R1 | **R2**"}))
    assert list(score(tmp_path / "key.json", [path])["readers"]) == ["answersR1"]


def test_two_files_of_one_reader_are_refused(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    (tmp_path / "more").mkdir()
    paths = [write_answers(folder, drawn(lesions, 0), "R1") for folder in (tmp_path, tmp_path / "more")]
    with pytest.raises(ReaderStudyError, match="Two files are answers of one reader"):
        score(tmp_path / "key.json", paths)


def test_the_report_has_every_reader_and_a_plot(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    paths = [write_answers(tmp_path, drawn(lesions, seed), f"R{seed}") for seed in (1, 2)]
    scores = score(tmp_path / "key.json", paths)
    write_scores(scores, tmp_path / "scores")
    assert json.loads((tmp_path / "scores" / "scores.json").read_text()) == scores
    text = (tmp_path / "scores" / "scores.md").read_text()
    found = scores["readers"]["R2"]["small"]
    low, high = found["auc_interval"]
    assert f"| R2, below 10 ml | {found['auc']:.2f} ({low:.2f} to {high:.2f}) |" in text
    assert "| **all readers**, all |" in text
    assert (tmp_path / "scores" / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_quality_is_compared_with_how_surely_readers_call_a_lesion_real(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    key = json.loads((tmp_path / "key.json").read_text())
    ratings = drawn(lesions, 3)
    synthetic = [name for name, lesion in lesions.items() if lesion["truth"] == "synthetic"]
    quality = dict(zip(synthetic, np.random.default_rng(1).uniform(size=len(synthetic)), strict=True))
    for name in synthetic[1:]:  # The first one has no quality.
        key["lesions"][name]["quality"] = float(quality[name])
    (tmp_path / "key.json").write_text(json.dumps(key))
    found = score(tmp_path / "key.json", [write_answers(tmp_path, ratings)])
    # Spearman by its definition: Pearson's correlation of the ranks.
    ranks = rankdata([[quality[name], -ratings[name]] for name in synthetic[1:]], axis=0)
    assert found["pooled"]["quality"]["lesions"] == len(synthetic) - 1
    assert found["pooled"]["quality"]["rank_correlation"] == pytest.approx(np.corrcoef(ranks.T)[0, 1])
    write_scores(found, tmp_path / "scores")
    assert "rank correlation" in (tmp_path / "scores" / "scores.md").read_text()


def test_without_qualities_there_is_no_correlation(tmp_path: Path) -> None:
    lesions = write_key(tmp_path)
    found = score(tmp_path / "key.json", [write_answers(tmp_path, drawn(lesions, 3))])
    assert found["pooled"]["quality"] == {"lesions": 0, "rank_correlation": None, "p": None}
