"""The rules that grow a tumor again: a missed fill, a speck, a poor quality."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from TumorGenCore.bundle.tuning import Tuning
from TumorGenCore.insertion.redraw import FILL_TRIES, FillSearch, QualityRule, SpeckRule, next_seeds, other_seeds
from TumorGenCore.insertion.targets import fit_zoom
from TumorGenCore.insertion.zoom import LEAST_ZOOM, MOST_ZOOM
from TumorGenCore.method.controls import MOST_EDGE


def searched(law: Callable[[float], float], fill: float) -> tuple[float, list[float]]:
    """Runs a search on a model whose fill is ``law`` of the told fill; returns the used fill and all told fills."""
    search = FillSearch(fill, MOST_EDGE)
    told, reached = [fill], []
    while True:
        grown = law(told[-1])
        zoom, pasted = fit_zoom(fill, lambda zoom, grown=grown: SimpleNamespace(fill=grown * zoom**3))
        reached.append(pasted.fill)
        more = search.next_told(reached[-1], zoom)
        if more is None:
            return reached[search.best], told
        told.append(more)


@pytest.mark.parametrize("law", [lambda c: 0.5 * c, lambda c: c**0.7 / 3, lambda c: min(2 * c, 0.4), lambda c: 0.1 * c])
@pytest.mark.parametrize("fill", [0.02, 0.1, 0.3])
def test_the_search_finds_what_a_steady_model_can_do(law, fill):
    found, told = searched(law, fill)
    assert found == pytest.approx(fill, rel=0.05)
    assert len(told) <= FILL_TRIES


def test_the_search_comes_near_where_the_model_cannot():
    assert searched(lambda told: min(told, 0.2), 0.5)[0] == pytest.approx(0.2 * MOST_ZOOM**3)
    assert searched(lambda told: 0.0, 0.5)[0] == 0.0


@pytest.mark.parametrize(("law", "fill"), [(lambda told: 0.01 * told, 0.5), (lambda told: 0.0, 0.05)])
def test_the_search_grows_no_tumor_twice(law, fill):
    assert searched(law, fill)[1] == [fill, MOST_EDGE**3]


@pytest.mark.parametrize("grown", [0.1 / MOST_ZOOM**3, 0.1, 0.1 / LEAST_ZOOM**3])
def test_one_tumor_is_enough_within_the_reach_of_the_zoom(grown):
    assert searched(lambda told: grown, 0.1) == (pytest.approx(0.1, rel=0.05), [0.1])


def test_the_told_fill_is_corrected_by_what_grew_before_the_zoom():
    search = FillSearch(0.1, MOST_EDGE)
    assert search.next_told(0.02 * 1.3**3, 1.3) == pytest.approx(0.5)
    assert search.next_told(0.3 * 0.8**3, 0.8) == pytest.approx(0.5 / 3)
    assert search.next_told(0.09) is None and search.best == 2


def test_a_speck_is_told_more_until_it_is_none():
    tuning = Tuning(speck_share=0.1, speck_tries=(3.0, 9.0))
    rule = SpeckRule(0.12, tuning)
    assert rule.next_told(0.001) == pytest.approx(0.36)
    assert rule.next_told(0.03) is None
    assert rule.best == 1
    lasting = SpeckRule(0.12, tuning)
    assert [lasting.next_told(0.0) for _ in range(3)] == [pytest.approx(0.36), pytest.approx(1.08), None]
    assert lasting.best == 2


def test_no_speck_is_grown_again_where_nothing_was_drawn_or_enough_grew():
    assert SpeckRule(None, Tuning()).next_told(0.0) is None
    assert SpeckRule(0.12, Tuning()).next_told(0.012) is None


def test_poor_ones_are_drawn_again_with_the_next_seeds_two_for_each_at_most():
    rule = QualityRule([5, 7], 0.6)
    assert rule.is_good(0.6) and not rule.is_good(0.59)
    assert rule.next_seeds(2) == [8, 9]
    assert rule.next_seeds(1) == [10]
    assert rule.next_seeds(2) == [11]
    assert rule.next_seeds(1) == []
    assert QualityRule([1], None).is_good(0.0)


def test_seeds_for_drawing_again_are_the_callers_and_end_before_they_are_too_large():
    assert QualityRule([3], 0.5, [70, 60, 50]).next_seeds(3) == [70, 60]
    assert list(next_seeds([2**63 - 2])) == [2**63 - 1]
    assert list(next_seeds([2**63 - 1])) == []


def test_other_seeds_are_nobodys_neighbors():
    first = [list(islice(other_seeds(seed), 3)) for seed in range(5)]
    assert len(set(np.ravel(first).tolist())) == 15
    assert min(np.ravel(first)) > 1000 and max(np.ravel(first)) < 2**63
    assert first == [list(islice(other_seeds(seed), 3)) for seed in range(5)]
