"""A wanted SUV: the arithmetic against closed forms, and the result of an insertion."""

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.resolved import UptakeTarget
from TumorGenCore.insertion.targets import MOST_GAIN, fit_gain

NATIVE = np.array([1.0, 1.0, 2.0, -0.5])
CHANGE = TissueChange(np.array([4.0, 2.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0, 0.5]))
TUMOR = np.array([True, True, False, False])


def test_the_rise_is_added_times_the_gain_and_a_fall_keeps_its_share():
    np.testing.assert_allclose(CHANGE.on(NATIVE, 2.0), [9, 5, 2, -0.25])
    np.testing.assert_allclose(TissueChange(np.zeros(2), np.array([0.1, 0.0])).on(np.array([10.0, 3.0])), [1, 0])


@pytest.mark.parametrize(("measure", "suv", "gain"), [("max", 9.0, 2.0), ("mean", 2.5, 0.5), ("max", 5.0, 1.0)])
def test_the_gain_reaches_the_target(measure, suv, gain):
    target = UptakeTarget(measure, suv)
    found = fit_gain(NATIVE, CHANGE, TUMOR, target)
    assert found == pytest.approx(gain, rel=1e-4)
    assert target.of(CHANGE.on(NATIVE, found)[TUMOR]) == pytest.approx(suv, rel=1e-4)


def test_what_cannot_be_reached_is_approached():
    assert fit_gain(NATIVE, CHANGE, TUMOR, UptakeTarget("max", 0.5)) == 0
    assert fit_gain(NATIVE, CHANGE, TUMOR, UptakeTarget("max", 1000)) == MOST_GAIN
    assert fit_gain(NATIVE, CHANGE, np.zeros(4, bool), UptakeTarget("max", 9)) == 1


@pytest.fixture(scope="module")
def engine(tiny_bundle_folder):
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.mark.parametrize(("dtype", "factor"), [(np.float32, 1.0), (np.int32, 0.01)])
@pytest.mark.parametrize("measure", ["max", "mean"])
def test_the_engine_obeys_within_five_percent_and_keeps_the_mask(engine, dtype, factor, measure):
    rng = np.random.default_rng(3)
    suv = rng.gamma(4.0, 0.2, (24, 24, 24))
    image = sitk.GetImageFromArray((suv / factor).astype(dtype))
    image.SetSpacing((3.0, 3.0, 3.0))
    box = Box((36.0, 36.0, 36.0), (40.0, 40.0, 40.0))
    prepared = engine.prepare(image, box, suv_factor=factor)
    plain = engine.generate(prepared, TumorRequest(steps=2), seed=1)
    inside = sitk.GetArrayFromImage(plain.mask) > 0
    assert inside.any()
    reached = UptakeTarget(measure, 1.0).of(sitk.GetArrayFromImage(plain.image)[inside] * factor)
    target = UptakeTarget(measure, 1.3 * reached)
    asked = engine.generate(prepared, TumorRequest(steps=2, **{f"suv_{measure}": target.suv}), seed=1)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(asked.mask), sitk.GetArrayFromImage(plain.mask))
    assert target.of(sitk.GetArrayFromImage(asked.image)[inside] * factor) == pytest.approx(target.suv, rel=0.05)
    assert asked.pasted.gain > 1
    assert asked.provenance["request"][f"suv_{measure}"] == target.suv
    assert not any("requested" in line for line in asked.warnings)


def test_a_target_below_the_tissue_is_answered_with_a_warning(engine):
    image = sitk.GetImageFromArray(np.full((24, 24, 24), 5.0, np.float32))
    image.SetSpacing((3.0, 3.0, 3.0))
    box = Box((36.0, 36.0, 36.0), (40.0, 40.0, 40.0))
    result = engine.insert(image, box, TumorRequest(steps=2, suv_max=0.5), seed=1, suv_factor=1)
    assert sitk.GetArrayViewFromImage(result.mask).any()
    assert any("requested 0.5" in line for line in result.warnings)
