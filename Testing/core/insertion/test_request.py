"""A request checks its values when it is created, and converts to JSON and back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from TumorGenCore import InvalidRequestError, TumorRequest
from TumorGenCore.insertion.request import MOST_SEED, check_seeds


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": True}, "steps is True"),
        ({"steps": 10**12}, "steps is 1000000000000; use at most 10,000"),
        ({"solver": "magic"}, "'euler' or 'heun' or 'adams'"),
        ({"suv_max": 0.0}, "SUVmax is 0.0; give a positive number"),
        ({"suv_max": -1.0}, "positive"),
        ({"suv_mean": float("nan")}, "SUVmean is nan"),
        ({"suv_mean": float("inf")}, "positive"),
        ({"suv_max": 8.0, "suv_mean": 4.0}, "suv_max and suv_mean are both given; give one of them"),
        ({"suv_peak": 8.0, "to_background": 4.0}, "give one of them"),
        ({"fill": 0.1, "volume_ml": 4.0}, "fill and volume_ml are both given; give one of them"),
        ({"suv_peak": -1.0}, "SUVpeak is -1.0; give a positive number"),
        ({"to_background": 0.0}, "to_background is 0.0; give a positive number"),
        ({"diameter_mm": float("inf")}, "diameter_mm is inf"),
        ({"to_reference": 3.0}, "to_reference needs reference_suv"),
        ({"reference_suv": 2.0}, "reference without to_reference"),
        ({"to_reference": 3.0, "reference_suv": 0.0}, "reference_suv is 0.0"),
        ({"to_reference": 3.0, "reference_suv": 2.0, "reference": 5}, "name of the region as text"),
        ({"fill": 0.0}, r"fill is 0\.0"),
        ({"fill": 1.0}, "less than 1"),
        ({"fill": float("nan")}, "fill is nan"),
        ({"least_quality": 60}, "least quality is 60"),
        ({"least_quality": -0.1}, "from 0 to 1"),
        ({"mask": "round"}, "'metabolic' or 'reader'"),
    ],
)
def test_what_cannot_be_used_is_named(asked, word):
    with pytest.raises(InvalidRequestError, match=word):
        TumorRequest(**asked)


def test_nothing_asked_for_is_left_to_the_model():
    request = TumorRequest()
    assert request.as_dict() == {}
    assert request.uptake is None and request.size is None and request.asked == frozenset()


def test_what_is_asked_for_goes_through_json_and_back():
    request = TumorRequest(steps=4, solver="adams", suv_mean=6.5, fill=0.1, least_quality=0.9, mask="reader")
    assert TumorRequest.parse({**request.as_dict(), "time_grid": "uniform"}) == request
    assert request.asked == {"volume_ml", "suv_max"}
    assert (request.uptake, request.size) == ("suv_mean", "fill")
    physical = TumorRequest(to_reference=3.0, reference_suv=2.1, reference="liver", diameter_mm=20.0)
    assert TumorRequest.parse(physical.as_dict()) == physical
    assert physical.asked == {"volume_ml", "suv_max"} and physical.most_tries > 1
    with pytest.raises(InvalidRequestError):
        TumorRequest.parse({"steps": 0})
    with pytest.raises(InvalidRequestError, match="cannot be used"):
        TumorRequest.parse({"fill": "much"})


def test_a_row_of_its_own_counts_before_what_is_usual():
    row, usual = (
        TumorRequest(steps=4, fill=0.1),
        TumorRequest(steps=10, solver="heun", least_quality=0.5, mask="reader"),
    )
    assert row.or_else(usual) == TumorRequest(steps=4, solver="heun", fill=0.1, least_quality=0.5, mask="reader")


@pytest.mark.parametrize(("seeds", "word"), [([], "no seed"), ([1, -1], "seed is -1"), ([2**63], "0 to 2")])
def test_what_is_no_seed_is_refused(seeds, word):
    with pytest.raises(InvalidRequestError, match=word):
        check_seeds(seeds)
    check_seeds([0, MOST_SEED])


def test_it_needs_neither_numpy_nor_torch():
    code = "import sys, TumorGenCore.insertion.request; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
