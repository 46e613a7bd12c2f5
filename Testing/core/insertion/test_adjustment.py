"""A grown tumor with another uptake or mask threshold: reached, exact outside the box, recorded, and made again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.errors import InvalidRequestError, ProvenanceError
from TumorGenCore.insertion.again import differences, make_again
from TumorGenCore.insertion.provenance import read_provenance
from TumorGenCore.insertion.variants import Variant
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume

BOX = Box((38.0, 38.0, 38.0), (40.0, 40.0, 40.0))
FACTOR = 0.5


@pytest.fixture(scope="module")
def generator() -> TumorGenerator:
    """A shipped model: untrained networks add next to no uptake."""
    return TumorGenerator.from_pretrained("pet-fdg-v2-4step", device="cpu")


@pytest.fixture(scope="module")
def volume() -> PetVolume:
    image = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 24)).astype(np.float32))
    image.SetSpacing((4.0, 4.0, 4.0))
    return PetVolume(image, PetUnits("BQML", FACTOR, "dicom tags"))


@pytest.fixture(scope="module")
def tumor(generator, volume):
    made = generator.insert(volume, BOX, TumorRequest(steps=2, fill=0.15), seed=4)
    assert made.pasted.tumor.sum() > 20
    return made


def arrays(tumor):
    return sitk.GetArrayFromImage(tumor.image), sitk.GetArrayFromImage(tumor.mask) > 0


@pytest.mark.parametrize("suv_max", [2.0, 3.0, 5.0])
def test_the_uptake_is_reached_and_nothing_changes_outside_the_box(tumor, volume, suv_max):
    hot, mask = arrays(tumor.with_uptake(suv_max))
    assert hot[mask].max() * FACTOR == pytest.approx(suv_max, rel=1e-4)
    scan = sitk.GetArrayFromImage(volume.image)
    outside = ~BOX.mask(tumor.prepared.grid)
    assert outside.any() and (hot[outside] == scan[outside]).all()
    assert not mask[outside].any()


def test_the_added_uptake_is_scaled_by_the_recorded_gain(tumor, volume):
    """Where the tumor only adds uptake, the difference to the scan is proportional to the gain."""
    hot = tumor.with_uptake(4.0)
    scan = sitk.GetArrayFromImage(volume.image).astype(np.float64)
    once, more = (arrays(one)[0] - scan for one in (tumor, hot))
    only_added = once > 0.2
    assert only_added.sum() > 20
    gain = hot.record["uptake_gain"] / tumor.record["uptake_gain"]
    assert gain != pytest.approx(1, abs=0.05)
    # Where some tissue was taken as well, the rise is more than the difference.
    ratio = more[only_added] / once[only_added]
    assert np.median(ratio) == pytest.approx(gain, rel=0.1)


def test_the_threshold_cuts_the_soft_mask_and_leaves_the_voxels(tumor):
    soft = sitk.GetArrayFromImage(tumor.mask_probability)
    image, usual = arrays(tumor)
    sizes = []
    for threshold in (0.2, 0.5, 0.7):
        changed = tumor.with_mask_threshold(threshold)
        voxels, mask = arrays(changed)
        np.testing.assert_array_equal(voxels, image)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(changed.mask_probability), soft)
        assert not (mask & ~(soft > threshold)).any()
        sizes.append(mask.sum())
        assert changed.pasted.fill == pytest.approx(mask.sum() * 64 / 64000)
    np.testing.assert_array_equal(arrays(tumor.with_mask_threshold(0.5))[1], usual)
    assert sizes[0] > sizes[1] > sizes[2]


def test_changes_add_up_and_start_from_the_grown_tumor(tumor):
    both = tumor.with_uptake(3.0).with_mask_threshold(0.4)
    other_way = tumor.with_mask_threshold(0.4).with_uptake(9.0).with_uptake(3.0)
    assert both.sha256 == other_way.sha256 != tumor.sha256
    assert both.record["adjusted"] == {"suv_max": 3.0, "mask_threshold": 0.4}
    assert "adjusted" not in tumor.record


def test_a_changed_tumor_is_made_again_to_the_last_bit(tumor, generator, volume, tmp_path):
    changed = Variant((tumor.with_uptake(3.0).with_mask_threshold(0.4),), 0.0)
    path = tmp_path / "a.provenance.json"
    path.write_text(json.dumps(changed.provenance))
    record = read_provenance(path)
    again = make_again(record, volume, generator)
    np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (again.image, changed.image)))
    np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (again.mask, changed.mask)))
    assert differences(record, again) == []
    for wrong in ({"mask_threshold": 2}, {"fill": 0.2}, {"suv_max": "hot"}, {"suv_max": -1}):
        broken = {**record, "tumors": [{**record["tumors"][0], "adjusted": wrong}]}
        with pytest.raises(ProvenanceError):
            make_again(broken, volume, generator)


def test_what_cannot_be_reached_is_said(tumor):
    assert any("instead of the requested 0.1" in line for line in tumor.with_uptake(0.1).warnings)
    nothing = replace(tumor.pasted, tumor=np.zeros_like(tumor.pasted.tumor))
    empty = replace(tumor, paste_again=lambda **_: nothing).with_mask_threshold(0.9)
    assert "No voxel has a probability above 0.9; lower the mask threshold." in empty.warnings


@pytest.mark.parametrize("probability", [0.0, 1.0, -1.0, float("nan")])
def test_thresholds_beyond_0_and_1_are_refused(tumor, probability):
    with pytest.raises(InvalidRequestError, match="mask threshold"):
        tumor.with_mask_threshold(probability)


@pytest.mark.parametrize("suv_max", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_suv_is_refused(tumor, suv_max):
    with pytest.raises(InvalidRequestError, match="SUVmax"):
        tumor.with_uptake(suv_max)


def test_an_uptake_above_the_voxel_type_is_refused(generator, volume):
    small = sitk.Cast(volume.image * 20, sitk.sitkUInt8)
    made = generator.insert(PetVolume(small, PetUnits("BQML", 0.05, "given")), BOX, TumorRequest(steps=1), seed=1)
    with pytest.raises(InvalidRequestError, match=r"ends at SUV 12\.8"):
        made.with_uptake(20.0)
