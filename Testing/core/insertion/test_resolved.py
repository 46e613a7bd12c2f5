"""A request means an SUV and a fill in one box: ratios and volumes against closed forms, and what is refused there."""

import math

import pytest

from TumorGenCore import Box, InvalidRequestError, TumorRequest
from TumorGenCore.insertion.resolved import resolved

BOX = Box((0.0, 0.0, 0.0), (20.0, 40.0, 50.0))  # 40 ml


@pytest.mark.parametrize(
    ("asked", "measure", "suv"),
    [
        ({"suv_max": 8}, "max", 8.0),
        ({"suv_mean": 5}, "mean", 5.0),
        ({"suv_peak": 6}, "peak", 6.0),
        ({"to_background": 3}, "mean", 1.5),
        ({"to_reference": 3, "reference_suv": 2.2, "reference": "liver"}, "mean", 6.6),
    ],
)
def test_an_uptake_becomes_one_measure_and_its_suv(asked, measure, suv):
    targets = resolved(TumorRequest(**asked), 0.5, BOX)
    assert targets.uptake.measure == measure and targets.uptake.suv == pytest.approx(suv)
    assert targets.fill is None


@pytest.mark.parametrize(
    ("asked", "fill"), [({"fill": 0.1}, 0.1), ({"volume_ml": 10}, 0.25), ({"diameter_mm": 20}, math.pi / 6 * 8 / 40)]
)
def test_a_size_becomes_a_share_of_the_box(asked, fill):
    targets = resolved(TumorRequest(**asked), 0.5, BOX)
    assert targets.fill == pytest.approx(fill) and targets.uptake is None


@pytest.mark.parametrize("asked", [{"volume_ml": 40}, {"diameter_mm": 43}])
def test_a_tumor_that_is_larger_than_the_box_is_refused(asked):
    with pytest.raises(InvalidRequestError, match="does not fit into this box of 40 ml"):
        resolved(TumorRequest(**asked), 0.5, BOX)


def test_air_has_no_ratio_to_the_background():
    with pytest.raises(InvalidRequestError, match=r"only air around the box.*ask for an SUV"):
        resolved(TumorRequest(to_background=3), 0.0, BOX)
    assert resolved(TumorRequest(suv_mean=3), 0.0, BOX).uptake.suv == 3


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ({"to_background": 3}, "1.5 (3 times the tissue around the box)"),
        ({"to_reference": 3, "reference_suv": 2, "reference": "liver"}, "6 (3 times the mean of liver)"),
        ({"to_reference": 3, "reference_suv": 2}, "6 (3 times the mean of the reference)"),
        ({"suv_max": 8}, "8"),
    ],
)
def test_messages_say_what_the_user_asked_for(asked, value):
    assert resolved(TumorRequest(**asked), 0.5, BOX).uptake.value == value
