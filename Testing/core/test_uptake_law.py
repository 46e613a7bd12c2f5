"""Uptake that nobody asked for follows its law, with the seed, and is never lost in the tissue."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.uptake_law import UptakeLaw


def test_draws_are_log_normal_around_the_median() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0)
    drawn = np.log([law.draw(seed, 0.5) or 0 for seed in range(2000)])
    assert np.exp(np.median(drawn)) == pytest.approx(6.0, rel=0.05)
    # Those below 4 times the tissue's 0.5 are raised to it: 1 % of them.
    assert drawn.std() == pytest.approx(0.5, rel=0.05)


def test_a_seed_draws_the_same_again() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0)
    assert law.draw(7, 0.5) == law.draw(7, 0.5) != law.draw(8, 0.5)


def test_no_tumour_is_lost_in_hot_tissue() -> None:
    law = UptakeLaw(6.0, 0.5, 4.0)
    assert min(law.draw(seed, 5.0) or 0 for seed in range(50)) == 20.0


def test_without_a_law_the_model_decides() -> None:
    assert UptakeLaw().draw(0, 1.0) is None


def test_what_is_written_is_read_again() -> None:
    law = UptakeLaw(6.0, 0.4, 5.0)
    assert UptakeLaw.parse(law.as_dict()) == law
    assert UptakeLaw.parse({}) == UptakeLaw()


@pytest.mark.parametrize("values", [{"median_suv": -1}, {"spread": float("nan")}, {"least_contrast": "high"}])
def test_nonsense_is_refused(values: dict) -> None:
    with pytest.raises(ValueError):
        UptakeLaw.parse(values)
