"""What is wrong with a tumor is said: voxels cut off by the scan's type, a poor quality, a mask around nothing."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest, VariantRun
from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.lesions.quality import LEAST_QUALITY

BOX = Box((62.0, 62.0, 62.0), (40.0, 40.0, 40.0))
QUICK = TumorRequest(steps=2)


@pytest.fixture(scope="module")
def generator() -> TumorGenerator:
    return TumorGenerator.from_pretrained("pet-fdg-v2-4step", device="cpu")


def scan(suv: float, dtype: type = np.float32, factor: float = 1.0) -> sitk.Image:
    """A scan of 32 x 32 x 32 voxels of 4 mm with tissue of one uptake and 5 % noise."""
    values = suv * (1 + 0.05 * np.random.default_rng(2).standard_normal((32, 32, 32))) / factor
    image = sitk.GetImageFromArray((np.rint(values) if np.issubdtype(dtype, np.integer) else values).astype(dtype))
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


@pytest.mark.parametrize(
    ("dtype", "factor", "limit"), [(np.uint8, 0.01, "2.55"), (np.int8, 0.02, "2.54"), (np.int16, 1e-4, "3.28")]
)
def test_a_tumor_that_the_voxel_type_cuts_off_says_so_and_names_no_other_seed(generator, dtype, factor, limit):
    whole = generator.insert(scan(1.5), BOX, QUICK, suv_factor=1)
    cut = generator.insert(scan(1.5, dtype, factor), BOX, QUICK, suv_factor=factor)
    highest = float(limit) if dtype != np.int16 else 3.2767
    over = (sitk.GetArrayFromImage(whole.image) > highest + factor / 2).sum()
    assert over > 0 and not any("voxel type" in line for line in whole.warnings)
    (line,) = [line for line in cut.warnings if "voxel type" in line]
    assert f"The voxel type {np.dtype(dtype)} of this scan ends at SUV {limit}" in line
    assert "Convert the scan to float32" in line and "seed" not in line
    flat = int((sitk.GetArrayFromImage(cut.image) == np.iinfo(dtype).max).sum())
    # Voxels that reach the limit exactly are not cut off; rounding of the scan moves few others.
    assert 0 < cut.pasted.cut_off <= flat and cut.pasted.cut_off == pytest.approx(over, abs=0.05 * over + 2)
    assert line in cut.provenance["warnings"]


def test_an_integer_type_that_is_wide_enough_is_no_reason_to_warn(generator):
    for dtype, factor in ((np.int16, 0.01), (np.uint16, 0.001), (np.int32, 1e-4), (np.int64, 1e-6)):
        tumor = generator.insert(scan(1.5, dtype, factor), BOX, QUICK, suv_factor=factor)
        assert tumor.pasted.cut_off == 0 and not any("voxel type" in line for line in tumor.warnings)


@pytest.mark.parametrize("measure", ["max", "mean"])
def test_a_target_above_the_voxel_type_is_refused_before_the_work(generator, measure):
    prepared = generator.prepare(scan(1.5, np.uint8, 0.01), BOX, suv_factor=0.01)
    words = rf"target SUV{measure} is 8, but the voxel type uint8 of this scan ends at SUV 2\.55\. Convert the scan"
    request = TumorRequest(steps=2, **{f"suv_{measure}": 8})
    steps = []
    with pytest.raises(InvalidRequestError, match=words):
        generator.generate(prepared, request, on_progress=lambda *told: steps.append(told))
    with pytest.raises(InvalidRequestError, match=words):
        VariantRun(generator, prepared, request, [0])
    assert not steps
    reached = generator.generate(prepared, TumorRequest(steps=2, suv_max=2.5))
    assert reached.pasted.reached == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("organ_suv", [10.0, 20.0])
def test_a_mask_around_nothing_in_an_organ_as_hot_as_the_tumor_is_said_and_poor(generator, organ_suv):
    prepared = generator.prepare(scan(organ_suv), BOX, suv_factor=1)
    (variant,) = VariantRun(generator, prepared, TumorRequest(steps=2, suv_max=organ_suv), [1])
    (tumor,) = variant.tumors
    inside = sitk.GetArrayFromImage(tumor.mask) > 0
    before, after = sitk.GetArrayFromImage(scan(organ_suv))[inside], sitk.GetArrayFromImage(tumor.image)[inside]
    assert inside.any() and np.abs(after - before).mean() < 0.1 * after.mean()
    assert tumor.quality.parts["uptake"] == tumor.quality.total == 0
    words = "The mask marks no tumor: the tissue was as hot as the tumor, and the insertion changed its uptake by only"
    for warnings in (tumor.warnings, variant.warnings, variant.summary.warnings, variant.provenance["warnings"]):
        assert any("is 0.00, below 0.6: it is not good" in line and words in line for line in warnings)


def test_it_is_drawn_again_if_good_tumors_are_wanted(generator):
    prepared = generator.prepare(scan(20.0), BOX, suv_factor=1)
    run = VariantRun(generator, prepared, TumorRequest(steps=2, suv_max=20, least_quality=0.6), [1])
    (variant,) = run
    assert len(run.redrawn) == 2 and "no better tumor was found" in variant.poor


def test_a_good_tumor_is_not_called_poor(generator):
    variants = VariantRun(generator, generator.prepare(scan(1.5), BOX, suv_factor=1), TumorRequest(), range(4))
    judged = [(variant.quality.total >= LEAST_QUALITY, variant.warnings) for variant in variants]
    assert any(good for good, _ in judged)
    for good, warnings in judged:
        assert good != any("below 0.6: it is not good" in line for line in warnings)
