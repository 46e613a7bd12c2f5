"""Boxes in an organ: deep enough in it, on the scan, in the body, and apart from each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from placement_cases import ball, oblique_grid, overlap_mm, share_inside

from TumorGenCore.errors import InvalidBoxError
from TumorGenCore.lesions.organ_places import APART_MM, boxes_in_organ
from TumorGenCore.lesions.placement import LEAST_IN_BODY
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.suv import PetUnits
from TumorGenCore.volumes.volume import PetVolume

GRID = oblique_grid((96, 84, 68))
BODY = ball(GRID, 140)


def volume(grid: Grid = GRID, body: np.ndarray = BODY) -> PetVolume:
    return PetVolume(grid.image_from_array(np.where(body, np.float32(2), np.float32(0))), PetUnits("SUV", 1.0, "given"))


@pytest.mark.parametrize("seed", range(8))
def test_boxes_lie_in_the_organ_on_the_scan_and_apart(seed):
    organ = ball(GRID, 90, (20, 0, 10))
    boxes = boxes_in_organ(volume(), organ, "liver", 3, seed)
    middle = GRID.index_to_lps((np.asarray(GRID.size_ijk) - 1) / 2) + np.array([20, 0, 10])
    for box in boxes:
        radius = np.mean(box.size_mm) / 4  # of the lesion: a box is twice as wide
        assert np.linalg.norm(np.subtract(box.center_lps, middle)) <= 90 - radius + 6
        corners = GRID.lps_to_index(box.corners_lps)
        assert np.all(corners >= -0.5 - 1e-6) and np.all(corners <= np.asarray(GRID.size_ijk) - 0.5 + 1e-6)
        assert share_inside(box, BODY, GRID) >= LEAST_IN_BODY
    assert all(overlap_mm(a, b) <= -APART_MM for a, b in itertools.combinations(boxes, 2))


def test_seeds_names_and_counts_decide_the_boxes():
    organ = ball(GRID, 90)
    first = boxes_in_organ(volume(), organ, "liver", 3, 5)
    assert boxes_in_organ(volume(), organ, "liver", 2, 5) == first[:2]
    drawn = boxes_in_organ(volume(), organ, "liver", None, 5)
    assert drawn[: len(first)] == first[: len(drawn)]
    assert boxes_in_organ(volume(), organ, "liver", 3, 6) != first != boxes_in_organ(volume(), organ, "lung", 3, 5)
    numbers = {len(boxes_in_organ(volume(), organ, "liver", None, seed, 13.0)) for seed in range(12)}
    assert 1 in numbers and len(numbers) > 2


def test_a_given_diameter_decides_the_size():
    (box,) = boxes_in_organ(volume(), ball(GRID, 55), "liver", 1, 0, 20.0)
    assert box.size_mm == pytest.approx((40, 40, 40), rel=0.16)


def test_a_thin_organ_gets_a_box_too():
    shell = ball(GRID, 80) & ~ball(GRID, 72)
    (box,) = boxes_in_organ(volume(), shell, "rib", 1, 3)
    center = np.rint(GRID.lps_to_index(box.center_lps)).astype(int)
    assert shell[tuple(center[::-1])]


def test_too_many_lesions_say_how_many_fit():
    organ = ball(GRID, 50)
    with pytest.raises(InvalidBoxError, match=r"Only \d+ of 30 lesions of 15 mm fit into the liver.*Ask for") as error:
        boxes_in_organ(volume(), organ, "liver", 30, 1, 15.0)
    fitting = int(str(error.value).split()[1])
    assert len(boxes_in_organ(volume(), organ, "liver", fitting, 1, 15.0)) == fitting > 1


def test_an_organ_at_the_rim_of_the_scan_or_without_voxels_is_refused():
    small = Grid((6, 40, 40), (4.0, 4.0, 4.0))
    everywhere = np.ones((40, 40, 6), dtype=bool)
    with pytest.raises(InvalidBoxError, match=r"No box for a lesion fits into the liver"):
        boxes_in_organ(volume(small, everywhere), everywhere, "liver")
    with pytest.raises(InvalidBoxError, match="no voxel"):
        boxes_in_organ(volume(), np.zeros_like(BODY), "liver")
