"""The fuzz harness reads valid files as valid, finds planted faults of every kind, and finds none in the product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import planted
import pytest
from damaged_inputs import Input, make_input
from exclusions import EXCLUSIONS
from fuzz import FAULTS, Lane, fuzz, names, summary, table
from good_inputs import SHARES, good_inputs

RESULTS = Path(__file__).parent / "results" / "fuzz.json"


@pytest.fixture(scope="module")
def lane() -> Iterator[Lane]:
    made = Lane()
    yield made
    made.close()


def good(kind: str, number: int = 0, corrupt: str = "") -> Input:
    files = good_inputs(kind)[number]
    return Input(f"{kind}/good", kind, files, next(iter(files)).split("/")[0], "nothing", corrupt)


@pytest.mark.parametrize("kind", SHARES)
def test_valid_inputs_are_read_as_an_independent_reader_reads_them(lane, kind):
    verdicts = [lane.try_input(good(kind, number)) for number in range(len(good_inputs(kind)))]
    assert [(v.word, v.why, v.excluded) for v in verdicts] == [("read", "", "")] * len(verdicts)


@pytest.mark.parametrize("word", FAULTS)
def test_a_planted_fault_is_found(word):
    lane = Lane(read=getattr(planted, word), prepare=None, cpu_s=1.0)
    try:
        verdict = lane.try_input(good("nifti"))
        assert verdict.word == word
        assert summary([verdict])["faults"][0]["name"] == "nifti/good"
        if word == "crash":  # the next input has a new process
            assert lane.try_input(good("nifti")).word == word
    finally:
        lane.close()


def test_a_file_that_is_corrupt_and_read_without_a_word_is_a_fault(lane):
    verdict = lane.try_input(good("nrrd", corrupt="the end is missing"))
    assert (verdict.word, verdict.why) == ("silent", "the end is missing")


def test_damage_is_refused_or_warned_about(lane):
    short = good("nifti", corrupt="the end is missing")
    short.files["case.nii"], whole = short.files["case.nii"][:-1], short.files["case.nii"]
    assert lane.try_input(short).word == "refused"
    short.files["case.nii"] = whole[:252] + bytes(4) + whole[256:]  # neither qform nor sform
    assert lane.try_input(short).word == "warned"
    short.files["case.nii"] = whole


def test_an_input_can_be_made_again_from_its_name_alone():
    for name in names(60):
        once, again = make_input(name), make_input(name)
        assert once == again
        assert once.files != good_inputs(once.kind)[0]


def test_150_damaged_inputs_show_no_fault(lane):
    verdicts = list(fuzz(names(150), workers=1, make_lane=lambda: lane))
    found = summary(verdicts)
    assert not found["faults"], found["faults"]
    assert found["inputs"] == len(verdicts) >= 140
    words = [verdict.word for verdict in verdicts]
    assert min(words.count(word) for word in ("read", "warned", "refused")) > 5
    assert table(found).splitlines()[-1].startswith("| all |")


def test_the_written_result_has_no_fault_and_needs_every_exclusion():
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert found["inputs"] >= 12_000
    assert not found["faults"]
    assert all(counts["read"] and counts["refused"] for counts in found["kinds"].values())
    assert set(found["excluded"]) == {each.name for each in EXCLUSIONS}
