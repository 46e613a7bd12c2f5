"""Options that front ends share: their requests, and wrong usage."""

from __future__ import annotations

import argparse

import pytest

from TumorGenCore.console.arguments import (
    add_insertion_options,
    add_report_options,
    asked_box,
    asked_seeds,
    join_box,
    tumor_request,
)
from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.insertion.request import MOST_SEED, TumorRequest
from TumorGenCore.lesions.quality import GOOD_QUALITY


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_report_options(parser)
    add_insertion_options(parser)
    return parser.parse_args(join_box(["--box", "-1,2,3,40,40,40", *arguments]))


def test_nothing_asked_leaves_all_to_the_model():
    assert tumor_request(parsed()) == TumorRequest()


def test_all_that_is_asked_for_is_in_the_request():
    options = parsed("--steps", "3", "--solver", "heun", "--suv-mean", "4", "--fill", "0.2", "--least-quality", "0.5")
    assert tumor_request(options) == TumorRequest(3, "heun", suv_mean=4.0, fill=0.2, least_quality=0.5)


def test_several_variants_are_good_ones_unless_told_otherwise():
    assert tumor_request(parsed("--variants", "2")).least_quality == GOOD_QUALITY
    assert tumor_request(parsed("--variants", "2", "--least-quality", "0")).least_quality == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--steps", "0"], "steps is 0"),
        (["--suv-max", "-2"], "SUVmax is -2"),
        (["--suv-mean", "inf"], "SUVmean is inf"),
        (["--fill", "0"], "fill is 0"),
        (["--least-quality", "nan"], "quality is nan"),
    ],
)
def test_a_value_that_cannot_be_used_is_wrong_usage(capsys, arguments, word):
    options = parsed(*arguments)
    with pytest.raises(SystemExit) as stop:
        tumor_request(options)
    assert stop.value.code == 2
    assert word in capsys.readouterr().err


def test_seeds_count_up_to_the_last_there_is(capsys):
    assert list(asked_seeds(parsed("--seed", "7", "--variants", "3"))) == [7, 8, 9]
    assert asked_seeds(parsed("--seed", str(MOST_SEED)))[0] == MOST_SEED
    with pytest.raises(SystemExit):
        asked_seeds(parsed("--seed", str(MOST_SEED), "--variants", "2"))
    assert "2^63" in capsys.readouterr().err


def test_a_box_that_begins_with_a_minus_is_no_option():
    assert asked_box(parsed()).center_lps == (1, -2, 3)
    with pytest.raises(InvalidBoxError, match="six numbers"):
        asked_box(argparse.Namespace(box="1,2", roi=None, frame="ras"))


def test_the_environment_names_the_default_model(monkeypatch):
    monkeypatch.setenv("TUMORGEN_MODEL", "mine")
    assert parsed().model == "mine"
    assert parsed("--model", "other").model == "other"
