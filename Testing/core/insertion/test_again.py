"""A provenance makes its tumor again, identical to the last bit, and lists what has changed since."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore import Box, TumorGenerator, TumorRequest, VariantRun
from TumorGenCore.errors import InvalidRequestError, ProvenanceError
from TumorGenCore.insertion.again import differences, make_again
from TumorGenCore.insertion.provenance import read_provenance
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume

BOXES = [Box((38.0, 38.0, 38.0), (34.0, 34.0, 34.0)), Box((60.0, 38.0, 38.0), (24.0, 24.0, 24.0))]


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


@pytest.fixture(scope="module")
def volume() -> PetVolume:
    image = sitk.GetImageFromArray(np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 24)).astype(np.float32))
    image.SetSpacing((4.0, 4.0, 4.0))
    return PetVolume(image, PetUnits("BQML", 0.5, "dicom tags"))


@pytest.fixture(scope="module")
def made(generator, volume):
    """Three variants in two boxes."""
    request = TumorRequest(steps=2, solver="heun", suv_max=3.0)
    return list(VariantRun(generator, generator.prepare(volume, BOXES[0]), request, [4, 5, 6], more_boxes=BOXES[1:]))


def record_of(variant, tmp_path: Path) -> dict:
    """The record after writing and reading it."""
    path = tmp_path / "case.provenance.json"
    path.write_text(json.dumps(variant.provenance), encoding="utf-8")
    return read_provenance(path)


def test_every_variant_of_a_batch_comes_again_bit_for_bit(generator, volume, made, tmp_path):
    threads = torch.get_num_threads()
    for variant in made:
        record = record_of(variant, tmp_path)
        assert record["tumors"][0]["batch"][1] == 3
        again = make_again(record, volume, generator)
        np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (again.image, variant.image)))
        np.testing.assert_array_equal(*map(sitk.GetArrayFromImage, (again.mask, variant.mask)))
        assert differences(record, again) == []
    assert torch.get_num_threads() == threads


def test_a_zoom_comes_again_and_a_record_without_one_means_none(generator, volume, made, tmp_path):
    record = record_of(made[0], tmp_path)
    assert [tumor.pop("zoom") for tumor in record["tumors"]] == [1.0, 1.0]
    assert differences(record, make_again(record, volume, generator)) == []
    record["tumors"][1]["zoom"] = 1.2
    again = make_again(record, volume, generator)
    first, second = made[0].tumors
    assert again.tumors[0].sha256 == first.sha256
    np.testing.assert_array_equal(again.tumors[1].pasted.voxels, second.paste_again(zoom=1.2).voxels)
    assert again.tumors[1].sha256 != second.sha256
    assert again.provenance["tumors"][1]["zoom"] == 1.2


def test_what_differs_is_named(generator, volume, made, tmp_path):
    record = record_of(made[0], tmp_path)
    record |= {"software_version": "0.0.1", "bundle_hash": "abc", "libraries": {**record["libraries"], "torch": "1.0"}}
    record["tumors"][1]["sha256"] = "abc"
    lines = differences(record, make_again(record, volume, generator))
    assert len(lines) == 4
    assert "TumorGen is" in lines[0] and "was 0.0.1" in lines[0]
    assert "hash is" in lines[1] and "was abc" in lines[1]
    assert "torch 1.0" in lines[2]
    assert lines[3] == "The tumor is not identical to the last bit."


def test_another_bundle_gives_another_hash_whatever_of_it_differs(generator, tiny_bundle_folder, tmp_path):
    import shutil

    from TumorGenCore.bundle.model_bundle import load_bundle

    folder = shutil.copytree(tiny_bundle_folder, tmp_path / "other")
    metadata = json.loads((folder / "configs" / "metadata.json").read_text())
    metadata["tumorgen"]["tuning"]["speck_share"] = 0.2
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    other = load_bundle(folder)
    assert other.tuning == replace(generator.bundle.tuning, speck_share=0.2)
    assert other.weights_hash == generator.bundle.weights_hash
    assert other.bundle_hash != generator.bundle.bundle_hash


def test_another_scan_is_refused(generator, volume, made, tmp_path):
    other = PetVolume(volume.image + 1.0, volume.units)
    with pytest.raises(ProvenanceError, match="not the scan"):
        make_again(record_of(made[0], tmp_path), other, generator)


def test_what_0_4_1_wrote_is_still_read(generator, volume, made, tmp_path):
    """It wrote one flat record with all boxes in its lists; synthesize wrote a list of such records."""
    one = made[0].provenance
    boxes = one["tumors"]
    flat = {
        "synthetic": True,
        "software_version": "0.4.1",
        "steps": 2,
        "solver": "heun",
        "target_suv_max": 3.0,
        "seed": 4,
        "box_seeds": [box["seed"] for box in boxes],
        **{key: boxes[0][key] + boxes[1][key] for key in ("box_center_lps", "box_size_mm", "box_axes")},
        **{key: one[key] for key in ("input_sha256", "suv_factor", "bundle_name")},
    }
    path = tmp_path / "old.provenance.json"
    path.write_text(json.dumps(flat), encoding="utf-8")
    record = read_provenance(path)
    assert record["request"] == {"suv_max": 3.0, "steps": 2, "solver": "heun"}
    again = make_again(record, volume, generator)
    alone = generator.insert(volume, BOXES[0], TumorRequest(steps=2, solver="heun", suv_max=3.0), seed=4)
    assert again.tumors[0].sha256 == alone.sha256
    lines = differences(record, again)
    assert any("was 0.4.1" in line for line in lines) and any("no hash" in line for line in lines)
    single = {**flat, **{key: boxes[0][key] for key in ("box_center_lps", "box_size_mm", "box_axes")}}
    del single["box_seeds"]
    path.write_text(json.dumps({"synthetic": True, "tumours": [single, single]}), encoding="utf-8")
    assert [tumor["seed"] for tumor in read_provenance(path)["tumors"]] == [4, 4]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("no JSON", "not a JSON file"),
        ("[1]", "not the provenance"),
        ("{}", "not the provenance"),
        ('{"synthetic": true, "tumors": [{"seed": 1}]}', "not the provenance"),
        ("[" * 100_000, "not a JSON file"),
    ],
)
def test_what_is_no_provenance_is_refused_by_name(tmp_path, text, word):
    path = tmp_path / "x.provenance.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProvenanceError, match=word):
        read_provenance(path)
    with pytest.raises(ProvenanceError, match="cannot be opened"):
        read_provenance(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("suv_factor", "x"),
        ("suv_factor", float("nan")),
        ("suv_factor", 10**400),
        ("suv_factor", 0),
        ("bundle_name", 3),
        ("request", "x"),
        ("tumors", 5),
        ("tumors.box_center_lps", [10**400, 0, 0]),
        ("tumors.box_size_mm", [0, 1, 1]),
        ("tumors.box_axes", [1.0]),
        ("tumors.box_axes", "nonsense"),
    ],
)
def test_a_record_with_a_value_that_cannot_be_used_is_refused(made, tmp_path, entry, value):
    record = json.loads(json.dumps(made[0].provenance))
    *inner, key = entry.split(".")
    (record["tumors"][0] if inner else record)[key] = value
    path = tmp_path / "x.provenance.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ProvenanceError, match="is not the provenance of a tumor"):
        read_provenance(path)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("batch", [0, 10**12]),
        ("batch", 3),
        ("told", [1]),
        ("told", {"fill": float("nan")}),
        ("seed", 10**400),
        ("tries", 10**400),
        ("tries", 0),
        ("zoom", 0),
        ("zoom", 5),
        ("zoom", float("nan")),
        ("zoom", [1.0]),
    ],
)
def test_a_growth_that_cannot_be_grown_again_is_refused(generator, volume, made, tmp_path, entry, value):
    record = record_of(made[0], tmp_path)
    record["tumors"][0][entry] = value
    with pytest.raises((ProvenanceError, InvalidRequestError)):
        make_again(record, volume, generator)


def test_a_record_with_a_byte_order_mark_is_read(made, tmp_path):
    path = tmp_path / "x.provenance.json"
    path.write_text(json.dumps(made[0].provenance), encoding="utf-8-sig")
    assert read_provenance(path)["tumors"] == made[0].provenance["tumors"]
