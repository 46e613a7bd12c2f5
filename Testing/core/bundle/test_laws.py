"""Values that the user leaves open follow their law and the seed, and no tumor is too faint for its tissue."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.bundle.laws import MOST_FILL, FillLaw, UptakeLaw


def test_uptake_is_log_normal_around_the_median() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0)
    drawn = np.log([law.draw(seed, 0.5) or 0 for seed in range(2000)])
    assert np.exp(np.median(drawn)) == pytest.approx(6.0, rel=0.05)
    # Values below 4 times the tissue's 0.5 are raised to it: 1 % of all.
    assert drawn.std() == pytest.approx(0.5, rel=0.05)


def test_fill_is_log_normal_around_the_median_and_leaves_room() -> None:
    drawn = np.log([FillLaw(0.1, 0.3).draw(seed) or 0 for seed in range(2000)])
    assert np.exp(np.median(drawn)) == pytest.approx(0.1, rel=0.05)
    assert drawn.std() == pytest.approx(0.3, rel=0.05)
    assert max(FillLaw(0.3, 1.0).draw(seed) or 0 for seed in range(200)) == MOST_FILL


def test_a_seed_draws_the_same_again() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0)
    assert law.draw(7, 0.5) == law.draw(7, 0.5) != law.draw(8, 0.5)
    assert FillLaw(0.1).draw(7) == FillLaw(0.1).draw(7) != FillLaw(0.1).draw(8)


def test_uptake_and_fill_are_drawn_apart() -> None:
    uptake = np.log([UptakeLaw(6.0, 0.5, 0.0).draw(seed, 0.5) or 0 for seed in range(1000)])
    fill = np.log([FillLaw(0.1).draw(seed) or 0 for seed in range(1000)])
    assert abs(np.corrcoef(uptake, fill)[0, 1]) < 0.1


def test_no_tumor_is_lost_in_hot_tissue() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0, 12.0)
    assert min(law.draw(seed, 2.0) or 0 for seed in range(50)) == 8.0


def test_hot_tissue_raises_no_tumor_beyond_what_tumors_have() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0, 12.0)
    assert min(law.draw(seed, 5.0) or 0 for seed in range(50)) == 12.0


def test_without_a_law_the_model_decides() -> None:
    assert UptakeLaw().draw(0, 1.0) is None
    assert FillLaw().draw(0) is None


@pytest.mark.parametrize("law", [UptakeLaw(6.0, 0.4, 5.0), FillLaw(0.1, 0.2)])
def test_what_is_written_is_read_again(law: UptakeLaw | FillLaw) -> None:
    assert type(law).parse(law.as_dict()) == law
    assert type(law).parse({}) == type(law)()


@pytest.mark.parametrize(
    ("law", "values"),
    [
        (UptakeLaw, {"median_suv": -1}),
        (UptakeLaw, {"spread": float("nan")}),
        (UptakeLaw, {"least_contrast": "high"}),
        (FillLaw, {"median": -0.1}),
        (FillLaw, {"spread": "wide"}),
    ],
)
def test_nonsense_is_refused(law: type[UptakeLaw] | type[FillLaw], values: dict) -> None:
    with pytest.raises(ValueError):
        law.parse(values)
