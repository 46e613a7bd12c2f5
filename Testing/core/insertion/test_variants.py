"""Variants of one request come one by one. Others replace poor ones, with a message and a limit."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, CancelledError, InvalidRequestError, TumorGenerator, TumorRequest, VariantRun, best_first
from TumorGenCore.insertion.told import box_seed
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.lesions.quality import QualityScore

BOX = Box((38.0, 38.0, 38.0), (40.0, 40.0, 40.0))


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.fixture(scope="module")
def image() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 24)).astype(np.float32))
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


@pytest.fixture(scope="module")
def prepared(generator, image):
    return generator.prepare(image, BOX, suv_factor=1)


class Judged(TumorGenerator):
    """A generator whose tumors have given qualities, by seed."""

    def __init__(self, generator: TumorGenerator, totals: dict[int, float]) -> None:
        super().__init__(generator.bundle, "cpu")
        self.totals, self.batches = totals, []

    def generate_each(self, prepared, request, *, seeds, **more):
        self.batches.append(list(seeds))
        for made in super().generate_each(prepared, request, seeds=seeds, **more):
            total = self.totals.get(made.seed, 0.0)
            tumor = copy.copy(made)
            reasons = ("The mask is off.",) if total < 0.6 else ()
            parts = {"uptake": total, "seam": 1.0, "statistics": 1.0, "novelty": None}
            tumor.__dict__["quality"] = QualityScore(total, parts, reasons)
            yield tumor


def drawn(generator, prepared, totals, seeds, least=None, **more) -> tuple[list, VariantRun, list]:
    judged = Judged(generator, totals)
    run = VariantRun(judged, prepared, TumorRequest(steps=1, least_quality=least), seeds, **more)
    return list(run), run, judged.batches


def test_without_a_least_quality_all_are_kept_as_they_come(generator, prepared):
    variants, run, batches = drawn(generator, prepared, {0: 0.2, 1: 0.9, 2: 0.5}, [0, 1, 2])
    assert [variant.seed for variant in variants] == [0, 1, 2]
    assert [variant.seed for variant in best_first(variants)] == [1, 2, 0]
    assert batches == [[0, 1, 2]]
    assert run.redrawn == [] and run.remark == "" and not any(variant.poor for variant in variants)


def test_good_ones_come_at_once_and_poor_ones_are_drawn_again_until_enough_are_good(generator, prepared):
    totals = {5: 0.9, 6: 0.1, 7: 0.3, 8: 0.7, 9: 0.2, 10: 0.8}
    variants, run, batches = drawn(generator, prepared, totals, [5, 6, 7], 0.6)
    assert batches == [[5, 6, 7], [8, 9], [10]]
    assert [variant.seed for variant in variants] == [5, 8, 10]
    assert sorted(seed for seed, _ in run.redrawn) == [6, 7, 9]
    assert run.remark == "3 poor tumors were replaced by new ones: 3 for a mask that misses the uptake."


def test_the_best_are_given_with_a_warning_where_none_is_good(generator, prepared):
    totals = {0: 0.1, 1: 0.2, 2: 0.5, 3: 0.3, 4: 0.4, 5: 0.05}
    variants, run, batches = drawn(generator, prepared, totals, [0, 1], 0.6)
    assert sum(len(batch) for batch in batches) == 2 + 4  # two redraws per seed
    assert [variant.seed for variant in variants] == [2, 4]
    assert len(run.redrawn) == 4
    assert "seed 2 has a quality of 0.500, below 0.6, and no better tumor was found." in variants[0].warnings[-1]
    assert "The quality of this tumor is 0.50, below 0.6" in variants[0].warnings[-2]
    assert variants[0].warnings[-2].endswith("The mask is off.")


def test_of_equals_the_first_is_kept_and_seeds_are_the_callers(generator, prepared):
    variants, _, batches = drawn(generator, prepared, {}, [3], 0.5, redraw_seeds=[70, 60, 50])
    assert batches == [[3], [70], [60]]
    assert variants[0].seed == 3


def test_what_cannot_be_used_is_refused_before_any_work(generator, prepared):
    with pytest.raises(InvalidRequestError, match="no seed"):
        VariantRun(generator, prepared, TumorRequest(), [])


def test_variants_are_what_their_seeds_give(generator, prepared):
    """Not bit for bit: the order of sums differs in a batch, and untrained networks enlarge the difference."""
    variants = list(VariantRun(generator, prepared, TumorRequest(steps=2), [4, 9]))
    assert {variant.seed for variant in variants} == {4, 9}
    for variant in variants:
        alone = generator.generate(prepared, TumorRequest(steps=2), seed=variant.seed)
        np.testing.assert_allclose(*map(sitk.GetArrayFromImage, (variant.image, alone.image)), rtol=0.02, atol=0.02)
        assert variant.quality.total == pytest.approx(alone.quality.total, abs=0.02)
    first, second = (sitk.GetArrayFromImage(variant.image) for variant in variants)
    assert not np.allclose(first, second, rtol=0.02, atol=0.02)


def test_each_variant_comes_before_the_next_is_made(generator, prepared):
    told: list[str] = []
    run = VariantRun(
        generator, prepared, TumorRequest(steps=1), [1, 2, 3], on_progress=lambda *progress: told.append(progress[2])
    )
    pasted = []
    for _ in run:
        pasted.append(told.count("pasting"))
    assert pasted == [1, 2, 3]


def test_progress_counts_up_and_names_what_is_drawn_again(generator, prepared):
    seen: list[tuple[int, int, str]] = []
    request = TumorRequest(steps=2, least_quality=1.0)
    run = VariantRun(generator, prepared, request, [1], on_progress=lambda *told: seen.append(told))
    assert len(list(run)) == 1
    assert len(run.redrawn) == 2  # the untrained networks make no faultless tumor
    assert seen[0] == (0, 2, "sampling")
    assert {in_all for _, in_all, _ in seen} == {2}
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)
    assert [told for told in seen if told[2].endswith("done")] == [(2, 2, "done"), *[(2, 2, "1 drawn again, done")] * 2]


def test_cancelling_stops_between_steps(generator, prepared):
    calls = []

    def cancel() -> bool:
        calls.append(1)
        return len(calls) > 6

    with pytest.raises(CancelledError):
        list(VariantRun(generator, prepared, TumorRequest(steps=2, least_quality=1.0), [1], should_cancel=cancel))
    assert len(calls) == 7


@pytest.fixture(scope="module")
def in_two_boxes(generator, image):
    """Two overlapping boxes, inserted by a run and by hand."""
    boxes = Box((34.0, 38.0, 38.0), (36.0, 32.0, 32.0)), Box((54.0, 38.0, 38.0), (36.0, 32.0, 32.0))
    request = TumorRequest(steps=1)
    prepared = generator.prepare(image, boxes[0], suv_factor=1)
    (variant,) = VariantRun(generator, prepared, request, [2], more_boxes=boxes[1:])
    first = generator.generate(prepared, request, seed=2)
    second = generator.insert(first.image, boxes[1], request, seed=box_seed(2, 1), suv_factor=1)
    return variant, first, second


def test_a_later_box_sees_the_earlier_tumor_and_replaces_it(in_two_boxes, image):
    variant, first, second = in_two_boxes
    np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (variant.image, second.image)))
    union = sitk.GetArrayFromImage(variant.mask)
    one, two = (np.zeros(union.shape, np.uint8) for _ in range(2))
    for segment, marked in zip(variant.segments, (one, two), strict=True):
        marked[segment.region] = segment.mask
    assert not (one & two).any()
    np.testing.assert_array_equal(union, one | two)
    np.testing.assert_array_equal(two, sitk.GetArrayFromImage(second.mask))
    alone = sitk.GetArrayFromImage(first.mask)
    assert (alone & ~one).any() and not (one & ~alone).any()
    soft = sitk.GetArrayFromImage(variant.mask_probability)
    assert soft.shape == union.shape and (soft[two > 0] > 0.5).all()


def test_measures_and_provenance_are_those_of_all_tumors(in_two_boxes):
    variant, first, second = in_two_boxes
    expected = measure_images(variant.image, variant.mask)
    assert variant.measures.volume_ml == pytest.approx(expected.volume_ml)
    assert variant.measures.suv_max == pytest.approx(expected.suv_max)
    assert variant.measures.suv_peak == pytest.approx(expected.suv_peak, rel=1e-5)
    record = variant.provenance
    assert [tumor["seed"] for tumor in record["tumors"]] == [2, box_seed(2, 1)]
    assert record["input_sha256"] == first.provenance["input_sha256"] != second.provenance["input_sha256"]
    assert variant.quality.total == min(tumor.quality.total for tumor in variant.tumors)
    assert variant.summary.as_dict()["seed"] == 2


def test_progress_of_several_boxes_counts_up_to_the_end(generator, image):
    prepared = generator.prepare(image, BOX, suv_factor=1)
    seen: list[tuple[int, int, str]] = []
    more = [Box((50.0, 38.0, 38.0), (30.0, 30.0, 30.0))]
    request = TumorRequest(steps=2)
    run = VariantRun(generator, prepared, request, [1, 2], more_boxes=more, on_progress=lambda *s: seen.append(s))
    assert len(list(run)) == 2
    assert {in_all for _, in_all, _ in seen} == {8}
    assert [done for done, *_ in seen] == sorted(done for done, *_ in seen)
    assert max(done for done, *_ in seen) == 8
    assert any(text.startswith("box 2 of 2, ") for *_, text in seen)


def test_boxes_of_one_size_do_not_grow_the_same_tumor():
    assert box_seed(7, 0) == 7
    assert len({box_seed(seed, box) for seed in range(20) for box in range(20)}) == 400
    assert all(0 <= box_seed(2**62, box) < 2**63 for box in range(5))
