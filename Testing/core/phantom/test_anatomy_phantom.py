"""Bodies made from label maps: organs where they should be, with the uptake that they should have, from a seed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.phantom.anatomy import read_anatomy
from TumorGenCore.phantom.anatomy_phantom import scan_anatomy
from TumorGenCore.phantom.canvas import TISSUES
from TumorGenCore.phantom.landmarks import LANDMARKS
from TumorGenCore.phantom.organ_sites import SITE_ORGANS, organ_at, organ_boxes
from TumorGenCore.phantom.phantom import scan_phantom
from TumorGenCore.volumes.geometry import Grid

SPACING_MM = (5.5, 5.5, 5.0)


@pytest.fixture(scope="module")
def anatomies(shared_data):
    folder = shared_data / "anatomy"
    if not folder.is_dir():
        pytest.skip(f"The folder {folder} with label maps is missing.")
    return {name: read_anatomy(folder / f"{name}.npz") for name in LANDMARKS}


@pytest.fixture(scope="module", params=LANDMARKS)
def scan(anatomies, request):
    return scan_anatomy(anatomies[request.param], 1, SPACING_MM)


def of_tissue(scan, tissue):
    """Where a tissue is, its SUVs, and its center in LPS, mm."""
    mask = scan.organs == TISSUES.index(tissue) + 1
    center = Grid.from_image(scan.image).index_to_lps(np.argwhere(mask)[:, ::-1].mean(axis=0))
    return mask, sitk.GetArrayViewFromImage(scan.image)[mask], center


@pytest.mark.parametrize(
    ("tissue", "low", "high", "least_ml", "most_ml"),
    [
        ("lung", 0.2, 0.65, 1800, 6000),
        ("liver", 1.4, 3.0, 1000, 3000),
        ("spleen", 1.1, 2.6, 100, 500),
        ("kidney", 1.6, 5.0, 150, 600),
        ("bladder", 10.0, 45.0, 20, 300),
        ("myocardium", 1.8, 7.0, 40, 250),
        ("gray matter", 5.0, 15.0, 300, 1500),
        ("muscle", 0.3, 0.9, 8000, 60000),
    ],
)
def test_organs_have_their_uptake_and_size(scan, tissue, low, high, least_ml, most_ml):
    mask, values, _ = of_tissue(scan, tissue)
    assert low < values.mean() < high
    assert least_ml < mask.sum() * np.prod(scan.image.GetSpacing()) / 1000 < most_ml


def test_organs_lie_as_in_a_body(scan):
    height = {name: of_tissue(scan, name)[2][2] for name in ("bladder", "kidney", "liver", "lung", "gray matter")}
    assert list(height) == sorted(height, key=height.__getitem__)
    assert of_tissue(scan, "liver")[2][0] < -20 < 20 < of_tissue(scan, "spleen")[2][0]  # LPS: the liver on the right
    assert of_tissue(scan, "myocardium")[2][0] > 5
    assert of_tissue(scan, "vertebra")[2][1] > of_tissue(scan, "bladder")[2][1] + 15  # the spine lies behind


def test_values_are_those_of_a_scan(scan):
    values = sitk.GetArrayViewFromImage(scan.image)
    assert np.all(np.isfinite(values)) and values.min() >= 0
    assert values[-3:].mean() < 0.05  # air above the head
    assert scan.organs.shape == values.shape


@pytest.mark.parametrize("organ", SITE_ORGANS)
def test_boxes_lie_in_the_organ_of_their_name(scan, organ):
    boxes = organ_boxes(scan, organ, count=3, seed=5)
    corners = Grid.from_image(scan.image).corners_lps
    for box in boxes:
        assert organ_at(scan, np.array(box.center_lps)) == organ
        assert 25 <= min(box.size_mm) <= max(box.size_mm) <= 70
        center, half = np.array(box.center_lps), np.array(box.size_mm) / 2
        assert np.all(center - half >= corners.min(axis=0)) and np.all(center + half <= corners.max(axis=0))
    assert boxes == organ_boxes(scan, organ, count=3, seed=5)
    assert boxes != organ_boxes(scan, organ, count=3, seed=6)


@pytest.mark.parametrize("organ", SITE_ORGANS)
def test_boxes_also_lie_in_the_organs_of_the_project_s_phantom(own_scan, organ):
    (box,) = organ_boxes(own_scan, organ)
    assert organ_at(own_scan, np.array(box.center_lps)) == organ


@pytest.fixture(scope="module")
def own_scan():
    return scan_phantom(2, (8.0, 8.0, 8.0))


def test_places_outside_the_scan_or_in_the_air_have_no_organ(own_scan):
    assert organ_at(own_scan, np.array([0.0, 0.0, 5000.0])) is None
    assert organ_at(own_scan, np.array([-330.0, -330.0, 0.0])) is None


def test_an_organ_that_is_not_known_or_not_there_is_named(own_scan):
    with pytest.raises(InvalidBoxError, match="toe"):
        organ_boxes(own_scan, "toe")
    legs = type(own_scan)(own_scan.image, np.zeros_like(own_scan.organs))
    with pytest.raises(InvalidBoxError, match="no liver"):
        organ_boxes(legs, "liver")


def test_the_seed_draws_the_body(anatomies):
    anatomy = anatomies["VH_M_labels_3mm"]
    one, again, other = (scan_anatomy(anatomy, seed, (8.0, 8.0, 8.0)).image for seed in (3, 3, 4))
    assert np.array_equal(sitk.GetArrayViewFromImage(one), sitk.GetArrayViewFromImage(again))
    assert one.GetSize() != other.GetSize()  # the body's size differs, and with it the field of view


def test_an_unknown_or_broken_label_map_is_named(tmp_path):
    with pytest.raises(UnsupportedVolumeError, match="elbow"):
        read_anatomy(tmp_path / "elbow.npz")
    path = tmp_path / "VH_F_labels_3mm.npz"
    with pytest.raises(UnsupportedVolumeError, match="cannot be read"):
        read_anatomy(path)
    np.savez(path, names=json.dumps({1: "body"}))
    with pytest.raises(UnsupportedVolumeError, match="cannot be read"):
        read_anatomy(path)
