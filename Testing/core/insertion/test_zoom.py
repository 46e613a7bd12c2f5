"""A grown tumor is zoomed until it has the wanted fill: the arithmetic, and a tumor that is pasted with a zoom."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest
from TumorGenCore.insertion.change import TissueChange
from TumorGenCore.insertion.paste import paste
from TumorGenCore.insertion.placed import place_box
from TumorGenCore.insertion.targets import fit_zoom
from TumorGenCore.insertion.zoom import LEAST_ZOOM, MOST_ZOOM, anchor, zoomed
from TumorGenCore.volumes.patch import PatchSettings

BOX = Box((38.0, 38.0, 38.0), (40.0, 40.0, 40.0))


def ball(shape: tuple[int, ...], center: np.ndarray, radius: float) -> np.ndarray:
    """A ball of 1, with a border that falls to 0 within a voxel."""
    distance = np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) - center, axis=-1)
    return np.clip(radius - distance + 0.5, 0, 1)


def in_steps(law, pastes: list[float]):
    """A tumor whose fill follows ``law`` of the zoom."""

    def paste_at(zoom: float) -> SimpleNamespace:
        pastes.append(zoom)
        return SimpleNamespace(fill=law(zoom))

    return paste_at


@pytest.mark.parametrize("power", [1.5, 2.0, 3.0, 4.0, 6.0])
@pytest.mark.parametrize("wanted", [0.8, 0.95, 1.0, 1.3])
def test_the_fill_is_reached_whatever_power_of_the_zoom_it_follows(power, wanted):
    pastes: list[float] = []
    zoom, pasted = fit_zoom(0.1 * wanted, in_steps(lambda z: 0.1 * z**power, pastes))
    assert pasted.fill == 0.1 * zoom**power == pytest.approx(0.1 * wanted, rel=0.05)
    assert pastes[0] == 1 and len(set(pastes)) == len(pastes) <= 8


def test_a_fill_of_few_voxels_is_met_at_the_one_number_of_voxels_that_meets_it():
    """A voxel is 7 % of the wanted fill, and the fill leaps by voxels."""
    voxel = 0.0015
    _, pasted = fit_zoom(0.0195, in_steps(lambda z: voxel * round(10 * z**5), []))
    assert pasted.fill == 13 * voxel


def test_a_fill_that_leaps_is_approached():
    """The fill leaps from 0.05 over the wanted 0.1 to 0.2: the nearest one is used."""
    zoom, pasted = fit_zoom(0.1, in_steps(lambda z: 0.05 if z < 1.1 else 0.2, []))
    assert pasted.fill == 0.05 and zoom < 1.1


@pytest.mark.parametrize(("grown", "limit"), [(0.01, MOST_ZOOM), (0.9, LEAST_ZOOM)])
def test_the_zoom_ends_at_its_limits(grown, limit):
    pastes: list[float] = []
    zoom, pasted = fit_zoom(0.1, in_steps(lambda z: grown * z**3, pastes))
    assert pastes == [1.0, limit] and zoom == limit and pasted.fill == pytest.approx(grown * limit**3)


@pytest.mark.parametrize(("fill", "grown"), [(None, 0.3), (0.1, 0.0), (0.1, 0.104)])
def test_nothing_is_zoomed_without_a_wanted_fill_or_a_tumor_or_a_miss(fill, grown):
    pastes: list[float] = []
    assert fit_zoom(fill, in_steps(lambda z: grown * z**3, pastes))[0] == 1
    assert pastes == [1.0]


@pytest.mark.parametrize("zoom", [0.8, 1.25, 1.3])
def test_a_zoomed_ball_is_a_ball_of_another_size(zoom):
    still = np.array([12.0, 20.0, 14.0])
    center = still + np.array([1, -3, 2])
    before = ball((32, 40, 30), center, 7.0)
    after = zoomed(before, zoom, still) > 0.5
    expected = ball((32, 40, 30), still + zoom * (center - still), 7.0 * zoom) > 0.5
    assert 2 * (after & expected).sum() / (after.sum() + expected.sum()) > 0.97
    assert zoomed(before, 1.0, still) is before


def test_what_a_tumor_adds_is_zoomed_and_the_tissue_that_falls_keeps_its_place():
    kept = np.linspace(0, 1, 8**3).reshape(8, 8, 8)
    change = TissueChange(np.ones((8, 8, 8)), kept).zoomed(0.5, np.full(3, 3.5))
    assert change.rise[0, 0, 0] == 0 and change.rise[4, 4, 4] == 1
    np.testing.assert_array_equal(change.kept, kept)


def test_a_tumor_in_the_middle_of_the_box_stays_there_and_one_at_a_face_stays_at_the_face():
    bounds = np.array([[5.5] * 3, [25.5] * 3])
    mask = np.zeros((32, 32, 32), np.float32)
    mask[6:16, 11:21, 16:26] = 1
    np.testing.assert_allclose(anchor(mask, bounds), [5.5, 15.5, 25.5])
    larger = zoomed(mask, 1.2, anchor(mask, bounds)) > 0.5
    assert [(where.min(), where.max()) for where in np.nonzero(larger)] == [(6, 17), (10, 21), (14, 25)]
    np.testing.assert_allclose(anchor(np.zeros((32, 32, 32)), bounds), 15.5)
    np.testing.assert_allclose(anchor(np.ones((32, 32, 32)), bounds + 2), 17.5)


def test_a_tumor_zoomed_up_to_the_faces_fades_there():
    """The change of even uptake 4 falls as smoothly to the faces as the window, and is 0 outside."""
    image = sitk.GetImageFromArray(np.ones((38, 38, 38), np.float32))
    image.SetSpacing((2.0, 2.0, 2.0))
    placed = place_box(image, BOX, PatchSettings(), 1.0)
    shape = placed.patch.grid.size_ijk[::-1]
    mask = ball(shape, (np.array(shape) - 1) / 2, 7.2)  # a radius of 18 mm
    change = TissueChange(4 * mask, np.ones_like(mask))
    small, large = (paste(placed, change, mask, zoom=zoom) for zoom in (1.0, 1.25))
    assert large.fill > 1.3 * small.fill
    middle = large.voxels.shape[0] // 2
    added = (large.voxels - 1)[middle, middle]
    at_mm = large.start_ijk[0] * 2.0 + 2.0 * np.arange(len(added))
    depth = np.minimum(at_mm - 18, 58 - at_mm)
    ramp = np.clip(depth / 6, 0, 1)
    np.testing.assert_allclose(added, 4 * ramp**2 * (3 - 2 * ramp), atol=1e-5)
    outside = np.ones((38, 38, 38), bool)
    outside[9:30, 9:30, 9:30] = False
    whole = np.ones((38, 38, 38), np.float32)
    whole[tuple(slice(a, a + n) for a, n in zip(large.start_ijk[::-1], large.voxels.shape, strict=True))] = large.voxels
    assert (whole[outside] == 1).all() and (whole > 1).sum() > 5000


@pytest.fixture(scope="module")
def grown():
    """A tumor of a shipped model: untrained networks add next to no uptake."""
    scan = np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 24)).astype(np.float32)
    image = sitk.GetImageFromArray(scan)
    image.SetSpacing((4.0, 4.0, 4.0))
    generator = TumorGenerator.from_pretrained("pet-fdg-v2-4step", device="cpu")
    prepared = generator.prepare(image, BOX, suv_factor=0.5)
    return generator, prepared, generator.generate(prepared, TumorRequest(steps=2, fill=0.3), seed=4)


def test_a_large_fill_is_reached_by_zooming_and_stays_when_the_uptake_changes(grown):
    _, _, tumor = grown
    assert tumor.pasted.tumor.sum() * 64 / 40**3 == pytest.approx(0.3, rel=0.05)
    assert 1.1 < tumor.growth.zoom <= MOST_ZOOM and tumor.growth.tries <= 3
    assert tumor.provenance["tumors"][0]["zoom"] == tumor.growth.zoom
    without = tumor.paste_again(zoom=1.0)
    assert without.fill < 0.25
    hotter = tumor.with_uptake(8.0)
    assert hotter.pasted.reached == pytest.approx(8, rel=1e-3)
    assert hotter.pasted.fill > 1.2 * without.fill
    np.testing.assert_array_equal(tumor.with_mask_threshold(0.5).pasted.voxels, tumor.pasted.voxels)


def test_a_zoomed_tumor_is_grown_again_bit_for_bit(grown):
    generator, prepared, tumor = grown
    again = generator.grow_again(prepared, tumor.request, tumor.growth)
    assert again.sha256 == tumor.sha256 and again.growth == tumor.growth
    assert again.with_uptake(8.0).sha256 == tumor.with_uptake(8.0).sha256
