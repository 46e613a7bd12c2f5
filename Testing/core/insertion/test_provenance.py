"""A provenance contains what is needed to make the result again, and no names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.errors import ProvenanceError
from TumorGenCore.insertion.provenance import STATEMENT, hash_volume, read_provenance


def image(dtype=np.float32) -> sitk.Image:
    result = sitk.GetImageFromArray(np.arange(24).reshape(2, 3, 4).astype(dtype))
    result.SetSpacing((1.0, 2.0, 3.0))
    return result


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


def test_provenance_is_json_and_copies_nothing_from_the_image_metadata(generator):
    volume = sitk.GetImageFromArray(np.ones((16, 16, 16), np.float32))
    volume.SetSpacing((4.0, 4.0, 4.0))
    volume.SetMetaData("0010|0010", "DOE^JANE")
    tumor = generator.insert(volume, Box((30, 30, 30), (30, 30, 30)), TumorRequest(steps=1, suv_mean=3), suv_factor=1)
    text = json.dumps(tumor.provenance)
    assert "DOE" not in text and STATEMENT in text
    assert json.loads(text) == tumor.provenance
    assert tumor.provenance["request"] == {"suv_mean": 3, "steps": 1, "solver": "euler", "time_grid": "uniform"}
    assert datetime.fromisoformat(tumor.provenance["created_utc"]).tzinfo == UTC


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


def test_a_record_without_a_tumor_is_refused(generator, tmp_path):
    volume = sitk.GetImageFromArray(np.ones((16, 16, 16), np.float32))
    volume.SetSpacing((4.0, 4.0, 4.0))
    tumor = generator.insert(volume, Box((30, 30, 30), (30, 30, 30)), TumorRequest(steps=1), suv_factor=1)
    path = tmp_path / "a.provenance.json"
    path.write_text(json.dumps({**tumor.provenance, "tumors": []}))
    with pytest.raises(ProvenanceError, match="no tumor"):
        read_provenance(path)
