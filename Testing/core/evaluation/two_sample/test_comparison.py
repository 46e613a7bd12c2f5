"""The two-sample test on made lesions: it finds the group of features in which they differ, and only that one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lesions import SPACING_MM, lumpy_lesion
from scipy import ndimage

from TumorGenCore.errors import TumorGenError
from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.two_sample import classifiers, comparison
from TumorGenCore.evaluation.two_sample.boxed import OWN, SAME, BoxedLesion, delineated
from TumorGenCore.evaluation.two_sample.comparison import two_sample_test
from TumorGenCore.evaluation.two_sample.features import GROUPS, lesion_features
from TumorGenCore.evaluation.two_sample.text import two_sample_lines


def lesion(number: int, patient: int, seed: int = 0, grain: float = 0.5) -> BoxedLesion:
    suv, mask = lumpy_lesion(number)
    noise = np.random.default_rng(number).normal(size=suv.shape)
    box = np.zeros_like(mask)
    box[3:-3, 3:-3, 3:-3] = True
    soft = ndimage.gaussian_filter(suv, 1.0) * (1 + grain * ndimage.gaussian_filter(noise, 0.7))
    return BoxedLesion(f"P{patient:02d}", seed, soft.astype(np.float32), mask & box, box, SPACING_MM)


@pytest.fixture(scope="module")
def found() -> dict:
    real = [lesion(n, n) for n in range(10)]
    alike = [lesion(100 + n, n) for n in range(10)]
    smooth = [lesion(200 + n, n, grain=0.02) for n in range(10)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifiers, "FOLDS", 3)
        patch.setattr(comparison, "HALVINGS", 1)
        return two_sample_test(real, {"alike": alike, "smooth": smooth})


def test_lesions_of_one_kind_are_told_apart_no_better_than_real_ones_from_real_ones(found):
    for view in (OWN, SAME):
        alike = found[view]["methods"]["alike"]["all features"]
        # So few lesions of one kind have less than 0.5 in folds: what a fold lacks, the others have.
        assert alike["auc"] < 0.7 and alike["interval"][0] < 0.6


def test_smooth_lesions_are_told_apart_by_texture(found):
    for view in (OWN, SAME):
        smooth = found[view]["methods"]["smooth"]
        assert smooth["texture"]["auc"] > 0.95 and smooth["all features"]["auc"] > 0.9
        assert smooth["texture"]["excess"] == smooth["texture"]["auc"] - found[view]["real against real"]["texture"]


def test_the_text_has_a_row_for_each_method_and_a_column_for_each_group(found):
    lines = two_sample_lines(found)
    head = next(line for line in lines if line.startswith("| AUC"))
    assert all(group in head for group in GROUPS)
    assert sum(line.startswith(("| alike", "| smooth", "| real against real")) for line in lines) == 6
    assert "too few" in "\n".join(two_sample_lines({"left_out": "too few"}))


@pytest.fixture
def own_masks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "VIEWS", {OWN: comparison.VIEWS[OWN]})


@pytest.mark.usefixtures("own_masks_only")
def test_each_seed_is_tested_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparison, "GROUPS", {"texture": GROUPS["texture"]})
    real = [lesion(n, n) for n in range(8)]
    both = [lesion(100 + n, n, seed, grain) for seed, grain in ((0, 0.5), (1, 0.02)) for n in range(8)]
    areas = two_sample_test(real, {"both": both})[OWN]["methods"]["both"]["texture"]["by_seed"]
    assert areas[1] > 0.9 > areas[0]


def test_slices_are_tested_by_the_features_that_they_get(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparison, "VIEWS", {})
    real = [lesion(n, n) for n in range(10)]
    made = [lesion(100 + n, n) for n in range(10)]
    ids = {id(one) for one in made}
    found = two_sample_test(
        real, {"m": made}, slices=lambda one: np.full(30, float(id(one) in ids)) + one.suv.ravel()[:30]
    )
    assert found["slices"]["methods"]["m"]["slices"]["auc"] == 1


def test_four_patients_are_too_few():
    with pytest.raises(LeftOutError, match="4 patients"):
        two_sample_test([lesion(n, n) for n in range(4)], {})
    assert not issubclass(LeftOutError, TumorGenError)


def test_one_delineation_depends_on_the_mask_for_place_and_height_only():
    one = lesion(3, 0)
    shrunk = replace(one, mask=ndimage.binary_erosion(one.mask))
    a, b = delineated(one).mask, delineated(shrunk).mask
    assert (a ^ b).sum() < 0.05 * a.sum()
    assert (a & one.mask).sum() > 0.6 * one.mask.sum() and not (a & ~one.box).any()


def test_an_empty_mask_has_every_feature_unknown():
    empty = replace(lesion(3, 0), mask=np.zeros_like(lesion(3, 0).mask))
    features, known = lesion_features(empty), lesion_features(lesion(3, 0))
    assert {g: list(f) for g, f in features.items()} == {g: list(f) for g, f in known.items()}
    assert all(np.isnan(value) for group in features.values() for value in group.values())
    assert delineated(empty) is empty


@pytest.mark.usefixtures("own_masks_only")
def test_halves_of_the_patients_give_the_floor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparison, "GROUPS", {"shape": GROUPS["shape"]})
    monkeypatch.setattr(comparison, "HALVINGS", 6)
    floor = two_sample_test([lesion(n, n) for n in range(10)], {})[OWN]["real against real"]
    assert floor["shape"] == pytest.approx(0.5, abs=0.25)
