"""The files of a study: the page keeps the secret, and the key holds it."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from small_cases import write_case

from TumorGenCore.errors import InvalidRequestError, ReaderStudyWarning, TrainingDataError
from TumorGenCore.evaluation.reader_study.from_folders import folder_pool
from TumorGenCore.evaluation.reader_study.lesions import StudyLesion
from TumorGenCore.evaluation.reader_study.page import page_of
from TumorGenCore.evaluation.reader_study.study import write_study

LESION = StudyLesion("real", "", "a", "a", 1.0, 5.0, np.full((64, 64, 64), 2.0, np.float32), 2.0)


def content(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="study">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def cases(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix("_image.nii.gz") for path in folder.glob("*_image.nii.gz"))


def test_the_page_holds_no_name_and_no_truth(study: Path, key: dict, two_folders: tuple[Path, Path]) -> None:
    page = (study / "reader-study.html").read_text()
    shown = content(page)
    assert [lesion["id"] for lesion in shown["lesions"]] == list(key["lesions"])
    assert {name for lesion in shown["lesions"] for name in lesion} == {"id", "mm", "step", "voxels"}
    assert set(shown) == {"study", "edge", "lesions"}
    names = {name.partition("-")[0] for folder in two_folders for name in cases(folder)}
    assert len(names) == 4 and not [name for name in names if name in page]
    around = page.replace(json.dumps(shown), "")
    assert len(around) < 40_000
    assert not [name for name in key["lesions"] if name in around]


def test_the_page_needs_nothing_else(study: Path) -> None:
    page = (study / "reader-study.html").read_text()
    assert not re.findall(
        r"""(?:src|href)\s*=|url\(|https?:|@import|fetch\(|localStorage""", page.partition("link.href")[0]
    )
    assert "default-src 'none'" in page


def test_the_key_says_what_every_lesion_is(key: dict, two_folders: tuple[Path, Path]) -> None:
    lesions = key["lesions"].values()
    for truth, folder in zip(("real", "synthetic"), two_folders, strict=True):
        assert sorted(lesion["case"] for lesion in lesions if lesion["truth"] == truth) == cases(folder)
    assert {lesion["patient"] for lesion in lesions} == {"Miller", "Okafor", "Garcia", "Nguyen"}


def test_a_packed_cube_is_right_to_half_a_level() -> None:
    suv = np.random.default_rng(0).gamma(1.0, 3.0, (64, 64, 64)).astype(np.float32)
    (lesion,) = content(page_of({"x": replace(LESION, suv=suv)})[0])["lesions"]
    planes = np.frombuffer(zlib.decompress(base64.b64decode(lesion["voxels"])), np.uint8).reshape(2, 64, 64, 64)
    assert np.abs((planes[0] + 256.0 * planes[1]) * lesion["step"] - suv).max() <= lesion["step"] * 0.501
    assert lesion["step"] == pytest.approx(suv.max() / 1023)


def test_no_patient_comes_twice_in_a_row_and_truths_are_mixed(tmp_path: Path) -> None:
    lesions = [replace(LESION, truth=truth, patient=f"P{n % 8}") for truth in ("real", "synthetic") for n in range(40)]
    order = list(write_study(lesions, tmp_path, 0, {})["lesions"].values())
    patients = [lesion["patient"] for lesion in order]
    assert sum(a == b for a, b in pairwise(patients)) <= 2  # the last ones may leave no choice
    assert 12 <= sum(lesion["truth"] == "real" for lesion in order[:40]) <= 28
    assert len(set(patients[:8])) > 3


def test_the_seed_decides_the_study(tmp_path: Path) -> None:
    lesions = [replace(LESION, truth=truth, volume_ml=n) for n in range(1, 6) for truth in ("real", "synthetic")]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_study(lesions, tmp_path / name, seed, {})
    keys = [(tmp_path / name / "key.json").read_bytes() for name in "abc"]
    assert keys[0] == keys[1] != keys[2]
    pages = [(tmp_path / name / "reader-study.html").read_bytes() for name in "abc"]
    assert pages[0] == pages[1] != pages[2]


def test_a_study_is_never_written_over(study: Path) -> None:
    before = (study / "key.json").read_bytes()
    with pytest.raises(InvalidRequestError, match="Give another folder"):
        write_study([LESION], study, 1, {})
    assert (study / "key.json").read_bytes() == before


def test_sizes_that_give_the_truth_away_are_warned_about(tmp_path: Path) -> None:
    lesions = [
        replace(LESION, volume_ml=9.0),
        replace(LESION, truth="synthetic", volume_ml=2.0),
        replace(LESION, truth="synthetic", volume_ml=50.0),
    ]
    with pytest.warns(ReaderStudyWarning) as said:
        write_study(lesions, tmp_path, 0, {})
    assert [str(line.message).split(",")[0] for line in said] == [
        "Real small lesions have a median of 9.0 ml",
        "No large lesion of the study is real",
    ]


def test_a_folder_is_read_until_there_are_lesions_enough(two_folders: tuple[Path, Path]) -> None:
    lines: list[str] = []
    pool = folder_pool(two_folders[0], "real", 2, "^(.+)$", 0, lines.append)
    assert len(pool) == len(lines) == 2
    assert {lesion.truth for lesion in pool} == {"real"}


def test_a_synthetic_scan_is_not_taken_for_a_real_one(tmp_path: Path) -> None:
    write_case(tmp_path, "a_0", (0.0, 0.0, 0.0))
    (tmp_path / "a_0.provenance.json").write_text("{}")
    with pytest.raises(TrainingDataError, match="so it is synthetic"):
        folder_pool(tmp_path, "real", 1, "^(.+)$", 0, print)
    assert len(folder_pool(tmp_path, "synthetic", 1, "^(.+)$", 0, print)) == 1


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match=r"No \*_image.nii.gz"):
        folder_pool(tmp_path, "real", 1, "^(.+)$", 0, print)
