"""Several tumors for one place: the best first, poor ones drawn again, never silently and not without end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from TumorGenCore.insertion.candidates import best_candidates, choose

from TumorGenCore import Box, CancelledError, TumorGenerator, TumorRequest
from TumorGenCore.lesions.quality import QualityScore


def quality(total: float) -> QualityScore:
    reasons = ("The mask is off.",) if total < 0.6 else ()
    return QualityScore(total, {"uptake": total, "seam": 1.0, "statistics": 1.0, "novelty": None}, reasons)


class Maker:
    """Makes its seeds' totals, and remembers what it was asked for."""

    def __init__(self, totals: dict[int, float]) -> None:
        self.totals, self.batches = totals, []

    def __call__(self, seeds: Sequence[int]) -> list[float]:
        self.batches.append(list(seeds))
        return [self.totals.get(seed, 0.0) for seed in seeds]


def test_without_a_least_quality_all_are_kept_in_order_of_quality():
    make = Maker({0: 0.2, 1: 0.9, 2: 0.5})
    best = choose(make, range(3), quality)
    assert [candidate.seed for candidate in best.kept] == [1, 2, 0]
    assert make.batches == [[0, 1, 2]]
    assert best.redrawn == () and best.remarks == ()


def test_poor_ones_are_drawn_again_until_enough_are_good():
    make = Maker({5: 0.9, 6: 0.1, 7: 0.3, 8: 0.7, 9: 0.2, 10: 0.8})
    best = choose(make, [5, 6, 7], quality, least_quality=0.6)
    assert make.batches == [[5, 6, 7], [8, 9], [10]]
    assert [candidate.seed for candidate in best.kept] == [5, 10, 8]
    assert sorted(seed for seed, _ in best.redrawn) == [6, 7, 9]
    assert best.remarks == ("3 poorer tumors were dropped and others drawn: 3 for mask off the uptake.",)


def test_the_best_are_given_with_a_warning_where_none_is_good():
    make = Maker({0: 0.1, 1: 0.2, 2: 0.5, 3: 0.3, 4: 0.4, 5: 0.05})
    best = choose(make, [0, 1], quality, least_quality=0.6)
    assert sum(len(batch) for batch in make.batches) == 2 + 4  # two redraws a seed
    assert [candidate.seed for candidate in best.kept] == [2, 4]
    assert len(best.redrawn) == 4
    assert len(best.remarks) == 3
    remark = best.remarks[1]
    assert "seed 2 has a quality of 0.500, less than 0.6, and no better one was found. The mask is off." in remark
    assert best.remark_on(best.kept[1]) == best.remarks[2]


def test_limits_and_seeds_are_the_callers():
    make = Maker({})
    best = choose(make, [3], quality, least_quality=0.5, redraw_seeds=[70, 60, 50], most_redraws=2)
    assert make.batches == [[3], [70], [60]]
    assert best.kept[0].seed == 3  # of equals the first
    assert choose(make, [3], quality, least_quality=0.0).redrawn == ()


def test_seeds_end_before_they_are_too_large():
    make = Maker({})
    choose(make, [2**63 - 2], quality, least_quality=0.5)
    assert make.batches == [[2**63 - 2], [2**63 - 1]]


@pytest.mark.parametrize(("seeds", "least", "word"), [([], 0.5, "no seed"), ([1], 1.5, "1.5"), ([1], -0.1, "-0.1")])
def test_what_cannot_be_chosen_is_refused_before_any_work(seeds, least, word):
    make = Maker({})
    with pytest.raises(ValueError, match=word):
        choose(make, seeds, quality, least_quality=least)
    assert make.batches == []


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.fixture(scope="module")
def prepared(generator):
    values = np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 20)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((4.0, 4.0, 4.0))
    return generator.prepare(image, Box((38.0, 38.0, 38.0), (40.0, 40.0, 40.0)), suv_factor=1)


def test_candidates_are_what_their_seeds_give(generator, prepared):
    """Not bit for bit: a batch's sums are taken in another order, and untrained networks make much of it."""
    best = best_candidates(generator, prepared, [4, 9], steps=2)
    assert {candidate.seed for candidate in best.kept} == {4, 9}
    assert best.kept[0].quality.total >= best.kept[1].quality.total
    for candidate in best.kept:
        alone = generator.generate(prepared, TumorRequest(steps=2), seed=candidate.seed)
        image, other = (sitk.GetArrayFromImage(r.image) for r in (candidate.made, alone))
        np.testing.assert_allclose(image, other, rtol=0.02, atol=0.02)
        assert candidate.quality == candidate.made.quality
        assert candidate.quality.total == pytest.approx(alone.quality.total, abs=0.02)
    first, second = (sitk.GetArrayFromImage(candidate.made.image) for candidate in best.kept)
    assert not np.allclose(first, second, rtol=0.02, atol=0.02)


def test_progress_counts_and_names_what_is_drawn_again(generator, prepared):
    seen: list[tuple[int, int, str]] = []
    best = best_candidates(
        generator, prepared, [1], steps=2, least_quality=1.0, on_progress=lambda *told: seen.append(told)
    )
    drawn = 1 + len(best.redrawn)
    assert drawn == 3  # the untrained networks make none that is without fault
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)
    assert seen[0] == (0, 2, "sampling")
    assert [told for told in seen if told[2].endswith("done")] == [
        (2, 2, "done"),
        (4, 4, "1 drawn again, done"),
        (6, 6, "1 drawn again, done"),
    ]


def test_cancelling_stops_between_steps(generator, prepared):
    calls = []

    def cancel() -> bool:
        calls.append(1)
        return len(calls) > 6

    with pytest.raises(CancelledError):
        best_candidates(generator, prepared, [1], steps=2, least_quality=1.0, should_cancel=cancel)
    assert len(calls) == 7
