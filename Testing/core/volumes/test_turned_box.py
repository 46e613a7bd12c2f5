"""The working patch is turned against the box: at random over places, always alike at one place, and inside reach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from TumorGenCore.volumes.geometry import Box
from TumorGenCore.volumes.site_cell import SITE_MM, site_cell
from TumorGenCore.volumes.turned_box import MOST_REACH, drawn_shift, turned

CENTERS = np.random.default_rng(0).uniform(-400, 400, (200, 3))


def box_at(center, size_mm=(60.0, 60.0, 60.0)) -> Box:
    return Box(tuple(map(float, center)), size_mm)


def turn_of(box: Box, most_degrees: float = 60.0) -> Rotation:
    return Rotation.from_matrix(np.asarray(box.axes).T @ np.asarray(turned(box, most_degrees).axes))


def test_no_turn_leaves_the_box() -> None:
    box = box_at((1, 2, 3))
    assert turned(box, 0) is box


def test_cubes_turn_by_all_angles_about_all_axes() -> None:
    turns = [turn_of(box_at(center)).as_rotvec(degrees=True) for center in CENTERS]
    angles = np.linalg.norm(turns, axis=1)
    assert angles.max() <= 60 + 1e-6 and angles.min() < 3
    assert abs(angles.mean() - 30) < 4
    assert np.all(np.abs(np.mean(turns, axis=0)) < 6)


def test_the_place_decides_the_turn() -> None:
    for center in CENTERS[:50]:
        # The middle of a cell, so that a millimeter does not leave it.
        middle = (np.round(center / SITE_MM) + 1 / 6) * SITE_MM
        box = box_at(middle)
        assert turned(box, 60).axes == turned(box_at(middle + 1), 60).axes
        assert turned(box, 60).axes != turned(box_at(middle + SITE_MM), 60).axes


def test_the_turned_box_keeps_its_center_size_and_right_angles() -> None:
    box = Box((5.0, -7.0, 9.0), (40.0, 50.0, 60.0), tuple(map(tuple, Rotation.from_euler("x", 20, True).as_matrix())))
    found = turned(box, 45)
    assert (found.center_lps, found.size_mm) == (box.center_lps, box.size_mm)
    np.testing.assert_allclose(np.asarray(found.axes) @ np.asarray(found.axes).T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("size_mm", [(300.0, 60.0, 60.0), (40.0, 80.0, 160.0), (200.0, 200.0, 30.0)])
def test_a_tumor_in_a_long_box_stays_nearly_inside_it(size_mm) -> None:
    """Points of the ellipsoid that touches all faces of the turned box, in the frame of the box."""
    sphere = np.random.default_rng(1).normal(size=(4000, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    most = []
    for center in CENTERS[:40]:
        box = box_at(center, size_mm)
        points = box.to_box(turned(box, 60).to_lps(sphere * np.asarray(size_mm) / 2))
        most.append(float((np.abs(points) / (np.asarray(size_mm) / 2)).max()))
    assert max(most) <= MOST_REACH + 1e-6
    assert np.median(most) > 1.05


def test_cells_are_cubes_of_the_stated_edge() -> None:
    points = np.random.default_rng(2).uniform(-50, 50, (500, 3))
    cells = [tuple(site_cell(point)) for point in points]
    for cell in set(cells):
        inside = points[[one == cell for one in cells]]
        assert np.ptp(inside, axis=0).max() <= SITE_MM
    assert len(set(cells)) > 50


def test_the_turn_is_a_proper_rotation() -> None:
    for center in CENTERS[:20]:
        axes = np.asarray(turned(box_at(center), 60).axes)
        np.testing.assert_allclose(Rotation.from_matrix(axes).as_matrix(), axes, atol=1e-12)
        assert np.linalg.det(axes) == pytest.approx(1)


def test_the_place_decides_the_shift_too() -> None:
    shifts = np.array([drawn_shift(box_at(center), 5.0) for center in CENTERS])
    assert np.abs(shifts).max() <= 5 and np.abs(shifts).max() > 4.9
    assert np.all(np.abs(shifts.mean(axis=0)) < 0.8)
    middle = (np.round(CENTERS[0] / SITE_MM) + 1 / 6) * SITE_MM
    assert drawn_shift(box_at(middle), 5.0) == drawn_shift(box_at(middle + 1), 5.0)
    assert drawn_shift(box_at(middle), 0.0) == (0.0, 0.0, 0.0)
