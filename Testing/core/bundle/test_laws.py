"""Values that the user leaves open follow their law and the seed, as tissue and size have it."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.bundle.laws import MOST_FILL, FillLaw, NoiseLaw, UptakeLaw
from TumorGenCore.bundle.model_bundle import DEFAULT_BUNDLE, load_bundle


def draws(law: UptakeLaw, tissue_suv: float = 0.6, volume_ml: float = 200.0, count: int = 2000) -> np.ndarray:
    return np.array([law.draw(seed, tissue_suv, volume_ml) or 0 for seed in range(count)])


def test_uptake_is_log_normal_around_the_median() -> None:
    drawn = np.log(draws(UptakeLaw(6.0, 0.5, least_contrast=0.0)))
    assert np.exp(np.median(drawn)) == pytest.approx(6.0, rel=0.05)
    assert drawn.std() == pytest.approx(0.5, rel=0.05)


def test_uptake_follows_tissue_and_volume_by_their_powers() -> None:
    law = UptakeLaw(6.0, 0.5, tissue_power=0.5, volume_power=0.25, least_contrast=0.0)
    here = draws(law, count=50)
    np.testing.assert_allclose(draws(law, tissue_suv=2.4, count=50), 2 * here)
    np.testing.assert_allclose(draws(law, volume_ml=200 / 16, count=50), here / 2)
    assert np.isfinite(draws(law, 0.0, 0.0, 50)).all()


def test_the_shipped_law_draws_uptake_as_lesions_have_it() -> None:
    """Over boxes of all sizes, the logarithms of volume and SUVmax correlate as in large data sets, 0.2 to 0.6."""
    law = load_bundle(DEFAULT_BUNDLE).uptake
    rng = np.random.default_rng(0)
    volumes = np.exp(rng.normal(np.log(8), 1.8, 3000))  # autoPET: 10 % below 1.3 ml, 10 % above 41 ml.
    drawn = np.array([law.draw(seed, 0.6, volume) for seed, volume in enumerate(volumes)])
    assert 0.2 < np.corrcoef(np.log(volumes), np.log(drawn))[0, 1] < 0.6
    assert 0.1 < np.mean(draws(law) < 6) < 0.25


def test_fill_is_log_normal_around_the_median_and_leaves_room() -> None:
    drawn = np.log([FillLaw(0.1, 0.3).draw(seed) or 0 for seed in range(2000)])
    assert np.exp(np.median(drawn)) == pytest.approx(0.1, rel=0.05)
    assert drawn.std() == pytest.approx(0.3, rel=0.05)
    assert max(FillLaw(0.3, 1.0).draw(seed) or 0 for seed in range(200)) == MOST_FILL


def test_a_seed_draws_the_same_again() -> None:
    law = UptakeLaw(6.0, 0.5)
    assert law.draw(7, 0.5, 9.0) == law.draw(7, 0.5, 9.0) != law.draw(8, 0.5, 9.0)
    assert FillLaw(0.1).draw(7) == FillLaw(0.1).draw(7) != FillLaw(0.1).draw(8)


def test_uptake_and_fill_are_drawn_apart() -> None:
    uptake = np.log(draws(UptakeLaw(6.0, 0.5, least_contrast=0.0), count=1000))
    fill = np.log([FillLaw(0.1).draw(seed) or 0 for seed in range(1000)])
    assert abs(np.corrcoef(uptake, fill)[0, 1]) < 0.1


def test_no_tumor_is_lost_in_hot_tissue() -> None:
    law = UptakeLaw(6.0, 0.5, tissue_power=0.0, least_contrast=4.0)
    assert draws(law, tissue_suv=2.0, count=50).min() == 8.0


def test_no_tumor_is_hotter_than_lesions_are() -> None:
    assert draws(UptakeLaw(40.0, 0.6, most_suv_max=70.0)).max() == 70.0


def test_a_law_of_an_older_bundle_is_a_law_of_the_maximum() -> None:
    law = UptakeLaw.parse({"median_suv": 5.0, "spread": 0.6, "least_contrast": 9.0, "most_raised_suv": 10.0})
    assert law == UptakeLaw(5.0, 0.6, 0.0, 0.0, 9.0)


def test_without_a_law_the_model_decides() -> None:
    assert UptakeLaw().draw(0, 1.0, 9.0) is None
    assert FillLaw().draw(0) is None


@pytest.mark.parametrize("law", [UptakeLaw(6.0, 0.4, 0.3), FillLaw(0.1, 0.2), NoiseLaw(0.6)])
def test_what_is_written_is_read_again(law: UptakeLaw | FillLaw | NoiseLaw) -> None:
    assert type(law).parse(law.as_dict()) == law
    assert type(law).parse({}) == type(law)()


@pytest.mark.parametrize(
    ("law", "values"),
    [
        (UptakeLaw, {"median_suv_max": -1}),
        (UptakeLaw, {"median_suv": -1}),
        (NoiseLaw, {"share": -0.1}),
        (UptakeLaw, {"spread": float("nan")}),
        (UptakeLaw, {"least_contrast": "high"}),
        (FillLaw, {"median": -0.1}),
        (FillLaw, {"spread": "wide"}),
    ],
)
def test_nonsense_is_refused(law: type[UptakeLaw] | type[FillLaw] | type[NoiseLaw], values: dict) -> None:
    with pytest.raises(ValueError):
        law.parse(values)
