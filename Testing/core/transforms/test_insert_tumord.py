"""`InsertTumord` gives the same tumor as the generator, in every geometry, and changes nothing else."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.data import MetaTensor

from TumorGenCore import (
    Box,
    InsertTumord,
    InvalidRequestError,
    TumorGenerator,
    TumorRequest,
    UnsupportedVolumeError,
    read_volume,
)
from TumorGenCore.volumes.geometry import Grid

Make = Callable[..., InsertTumord]
GEOMETRIES = ("straight", "flipped", "oblique", "left-handed")


def notes(case: dict[Any, Any]) -> list[dict[str, Any]]:
    found = json.loads(case["tumorgen"])
    assert all(note["synthetic"] == note["inserted"] for note in found)
    return found


def box_of(note: dict[str, Any]) -> Box:
    return Box.from_ras(note["box_ras_mm"][:3], note["box_ras_mm"][3:])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_tumor_is_that_of_the_generator(
    geometry: str, insert: Make, loaded: dict, scans: dict, tiny_bundle_folder: Path
) -> None:
    before = loaded[geometry]
    made = insert()(before)
    (note,) = notes(made)
    assert note["inserted"] and "synthetic" in note["statement"].lower()
    volume = read_volume(scans[geometry]["image"], suv_factor=1)
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, "cpu")
    tumor = generator.insert(volume, box_of(note), TumorRequest.parse(note["request"]), seed=note["seed"])
    expected, mask = sitk.GetArrayFromImage(tumor.image), sitk.GetArrayFromImage(tumor.mask)
    assert np.allclose(made["image"][0].numpy().transpose(2, 1, 0), expected, atol=1e-3)
    marked = made["label"][0].numpy().transpose(2, 1, 0) > before["label"][0].numpy().transpose(2, 1, 0)
    assert marked.sum() > 20 and (marked != (mask > 0)).sum() <= 1
    assert expected[marked].max() == pytest.approx(9, rel=0.05)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_nothing_changes_outside_the_boxes_nor_in_what_came_in(geometry: str, insert: Make, loaded: dict) -> None:
    before = loaded[geometry]
    kept = {key: before[key].clone() for key in ("image", "label")}
    made = insert(tumors=2)(before)
    grid = Grid.from_image(read_volume(before["image"].meta["filename_or_obj"], suv_factor=1).image)
    inside = np.zeros(grid.size_ijk[::-1], dtype=bool)
    for note in notes(made):
        voxels = box_of(note).mask(grid)
        assert not voxels[before["label"][0].numpy().transpose(2, 1, 0) > 0].any()  # away from the lesion there
        assert not (inside & voxels).any()
        inside |= voxels
    for key in ("image", "label"):
        changed = (made[key] != before[key])[0].numpy().transpose(2, 1, 0)
        assert changed.any() and not changed[~inside].any()
        assert made[key].dtype == before[key].dtype and torch.equal(made[key].affine, before[key].affine)
        assert torch.equal(before[key].as_tensor(), kept[key].as_tensor())


def test_a_tensor_in_lps_gets_the_same_tumor(insert: Make, loaded: dict) -> None:
    in_ras = loaded["oblique"]
    flip = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
    in_lps = {
        key: MetaTensor(in_ras[key].as_tensor(), affine=flip @ in_ras[key].affine, meta={"space": "LPS"})
        for key in ("image", "label")
    }
    one, other = insert()(in_ras), insert()(in_lps)
    assert one["tumorgen"] == other["tumorgen"]
    assert torch.equal(one["image"].as_tensor(), other["image"].as_tensor())


def test_the_same_state_gives_the_same_and_the_next_another(insert: Make, loaded: dict) -> None:
    request = TumorRequest(steps=2, least_quality=0)
    transform = insert(request=request, ranges={"suv_mean": (4, 7)}, tumors=(1, 2))
    first, second = transform(loaded["straight"]), transform(loaded["straight"])
    again = pickle.loads(pickle.dumps(transform)).set_random_state(5)(loaded["straight"])
    assert first["tumorgen"] == again["tumorgen"] != second["tumorgen"]
    assert torch.equal(first["image"].as_tensor(), again["image"].as_tensor())
    drawn = [note["request"]["suv_mean"] for made in (first, second) for note in notes(made)]
    assert len(set(drawn)) == len(drawn) and all(4 <= suv <= 7 for suv in drawn)


def test_centers_lie_in_the_region_and_the_label_gets_its_value(insert: Make, loaded: dict) -> None:
    case = dict(loaded["oblique"])
    case["organ"] = torch.zeros(case["image"].shape, dtype=torch.uint8)
    case["organ"][0, 12:15, 18:24, 10:16] = 1
    (note,) = notes(made := insert(region_key="organ", label_value=3)(case))
    affine = case["image"].affine.numpy()
    ijk = np.linalg.solve(affine, [*note["box_ras_mm"][:3], 1])[:3].round().astype(int)
    assert case["organ"][0][tuple(ijk)] == 1
    assert set(made["label"].unique().tolist()) == {0, 1, 3}


def test_the_factor_may_come_with_the_case(insert: Make, loaded: dict) -> None:
    case = {**loaded["straight"], "factor": torch.tensor([0.5])}
    case["image"] = case["image"] * 2
    made = insert(suv_factor="factor")(case)
    tumor = made["label"] > case["label"]
    assert float(made["image"][tumor].max()) / 2 == pytest.approx(9, rel=0.05)


def test_a_poor_tumor_is_left_out(insert: Make, loaded: dict) -> None:
    made = insert(request=TumorRequest(steps=2, least_quality=1))(loaded["straight"])
    (note,) = notes(made)
    assert not note["inserted"] and "below 1, and no better tumor was found" in note["reason"]
    assert all(made[key] is loaded["straight"][key] for key in ("image", "label"))


@pytest.mark.parametrize("what", ["label", "organ"])
def test_without_a_place_the_image_stays(what: str, insert: Make, loaded: dict) -> None:
    case = {**loaded["straight"], "organ": torch.zeros_like(loaded["straight"]["image"])}
    options = {"region_key": "organ"} if what == "organ" else {}
    if what == "label":
        case["label"] = torch.ones_like(case["label"])
    made = insert(**options)(case)
    (note,) = notes(made)
    assert not note["inserted"] and note["reason"].startswith("No place was found")
    assert made["image"] is case["image"]


def test_an_uptake_that_the_voxels_cannot_hold_is_left_out_with_its_reason(insert: Make, loaded: dict) -> None:
    case = {**loaded["straight"], "image": loaded["straight"]["image"].to(torch.int8)}
    (note,) = notes(made := insert(request=TumorRequest(steps=2, suv_max=300))(case))
    assert not note["inserted"] and "int8" in note["reason"] and made["image"] is case["image"]
    whole = insert()(case)["image"]
    assert whole.dtype == torch.int8 and whole.max() == 9


def test_prob_0_changes_nothing_and_notes_add_up(insert: Make, loaded: dict) -> None:
    made = insert(prob=0)(loaded["straight"])
    assert made["tumorgen"] == "[]" and made["image"] is loaded["straight"]["image"]
    twice = insert().set_random_state(6)(insert()(made))
    assert [note["inserted"] for note in notes(twice)] == [True, True]


def four_channels(case: dict) -> None:
    case["image"] = case["image"].repeat(4, 1, 1, 1)


def no_channel(case: dict) -> None:
    case["image"] = case["image"][0]


def no_affine(case: dict) -> None:
    case["image"] = case["image"].as_tensor()


def not_finite(case: dict) -> None:
    case["image"] = case["image"].clone()
    case["image"][0, 3, 4, 5] = torch.nan


def half_precision(case: dict) -> None:
    case["image"] = case["image"].half()


def flat_affine(case: dict) -> None:
    case["image"] = MetaTensor(case["image"].as_tensor(), affine=torch.diag(torch.tensor([4.0, 4.0, 0.0, 1.0])))


def other_shape(case: dict) -> None:
    case["label"] = case["label"][:, 1:]


def other_place(case: dict) -> None:
    moved = case["label"].affine.clone()
    moved[0, 3] += 2
    case["label"] = MetaTensor(case["label"].as_tensor(), affine=moved)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (four_channels, r"'image' has the shape \(4, .*choose one channel"),
        (no_channel, "EnsureChannelFirstd"),
        (no_affine, "without an affine.*LoadImaged"),
        (not_finite, r"1 voxels are NaN or Inf, the first at ijk \(3, 4, 5\)"),
        (half_precision, "float16.*before the cast"),
        (flat_affine, "gives its voxels no place"),
        (other_shape, "'label' has .*Resample"),
        (other_place, "'label' lies up to 2 mm away from 'image'"),
    ],
)
def test_bad_images_are_refused_by_name(spoil: Callable, message: str, insert: Make, loaded: dict) -> None:
    case = dict(loaded["straight"])
    spoil(case)
    with pytest.raises(UnsupportedVolumeError, match=message):
        insert()(case)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tumors": (3, 1)}, "tumors is"),
        ({"prob": 1.5}, "prob is"),
        ({"label_value": 0}, "label_value is 0"),
        ({"ranges": {"size": (1, 2)}}, "There is no range for 'size'; use one of: suv_max"),
        ({"ranges": {"diameter_mm": (9, 3)}}, "lowest and the highest"),
        ({"ranges": {"suv_max": (3, 9)}}, "suv_max has a value and a range"),
        ({"ranges": {"suv_mean": (3, 9)}}, "suv_max and suv_mean are both given"),
        ({"ranges": {"fill": (0.1, 2)}}, "fill is 2"),
    ],
)
def test_bad_arguments_are_refused_at_once(options: dict, message: str, insert: Make) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        insert(**options)


def test_a_factor_that_is_no_number_is_refused(insert: Make, loaded: dict) -> None:
    with pytest.raises(InvalidRequestError, match="'factor' is no number"):
        insert(suv_factor="factor")({**loaded["straight"], "factor": "one"})


def test_a_key_that_is_missing_is_named(insert: Make, loaded: dict) -> None:
    with pytest.raises(KeyError, match="label"):
        insert()({"image": loaded["straight"]["image"]})


def test_two_keys_are_needed() -> None:
    with pytest.raises(InvalidRequestError, match="give two"):
        InsertTumord("image")
