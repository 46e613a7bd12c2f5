"""Provenance says how to make the result again, and names nobody."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.insertion.provenance import STATEMENT, hash_volume, make_provenance
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.suv import PetUnits


def image(dtype=np.float32) -> sitk.Image:
    result = sitk.GetImageFromArray(np.arange(24).reshape(2, 3, 4).astype(dtype))
    result.SetSpacing((1.0, 2.0, 3.0))
    return result


def provenance(volume: sitk.Image, sampling: Sampling = Sampling(10)) -> dict:  # noqa: B008
    return make_provenance(
        input_hash=hash_volume(volume),
        units=PetUnits("BQML", 0.00025, "dicom tags"),
        box=Box((1, 2, 3), (10, 20, 30), ((0, -1, 0), (1, 0, 0), (0, 0, 1))),
        seed=7,
        sampling=sampling,
        bundle_name="fdg",
        bundle_version="1.0.0",
        bundle_hash="abc",
        device="cpu",
        created=datetime(2026, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=2))),
    )


def test_provenance_has_all_that_makes_the_result_again():
    record = provenance(image())
    assert record["synthetic"] is True
    assert record["statement"] == STATEMENT
    assert (record["seed"], record["steps"], record["solver"], record["device"]) == (7, 10, "euler", "cpu")
    assert (record["bundle_name"], record["bundle_version"], record["bundle_hash"]) == ("fdg", "1.0.0", "abc")
    assert (record["input_units"], record["suv_factor"], record["suv_factor_source"]) == (
        "BQML",
        0.00025,
        "dicom tags",
    )
    rebuilt = Box(record["box_center_lps"], record["box_size_mm"], np.reshape(record["box_axes"], (3, 3)))
    assert rebuilt == Box((1, 2, 3), (10, 20, 30), ((0, -1, 0), (1, 0, 0), (0, 0, 1)))
    assert record["input_sha256"] == hash_volume(image())
    assert record["created_utc"] == "2026-01-31T10:30:00+00:00"
    assert record["software_version"]


def test_provenance_says_at_which_times_was_sampled():
    assert provenance(image())["time_grid"] == "uniform"
    assert provenance(image(), Sampling(2, shift=3.0))["time_grid"] == pytest.approx([0, 0.25, 1])


def test_provenance_names_the_masks_noise_where_it_is_not_the_usual_one():
    assert "mask_noise" not in provenance(image())
    assert provenance(image(), Sampling(mask_noise=0.3))["mask_noise"] == 0.3


def test_provenance_is_json_and_copies_nothing_from_the_image_metadata():
    volume = image()
    volume.SetMetaData("0010|0010", "DOE^JANE")
    text = json.dumps(provenance(volume))
    assert "DOE" not in text
    assert json.loads(text) == provenance(volume) | {"created_utc": json.loads(text)["created_utc"]}


def test_equal_volumes_hash_equally_and_metadata_do_not_count():
    volume = image()
    volume.SetMetaData("key", "value")
    assert hash_volume(volume) == hash_volume(image())


@pytest.mark.parametrize(
    "changed",
    [
        lambda v: v.SetPixel(3, 2, 1, 99.0),
        lambda v: v.SetSpacing((1.0, 2.0, 3.000001)),
        lambda v: v.SetOrigin((0.0, 0.0, 1e-6)),
        lambda v: v.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1)),
    ],
    ids=["voxel", "spacing", "origin", "direction"],
)
def test_hash_sees_every_change(changed):
    volume = image()
    changed(volume)
    assert hash_volume(volume) != hash_volume(image())


def test_hash_sees_pixel_type_and_shape():
    flat = sitk.GetImageFromArray(np.arange(24, dtype=np.float32).reshape(3, 2, 4))
    flat.SetSpacing((1.0, 2.0, 3.0))
    assert len({hash_volume(image()), hash_volume(image(np.int32)), hash_volume(flat)}) == 3
