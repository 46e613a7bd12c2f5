"""Planes through a tumor: correct along the patient's axes, for any axes of the volume."""

from __future__ import annotations

import numpy as np
import pytest
from picture_cases import BOXES, DIRECTIONS, make_case

from TumorGenCore.insertion.planes import Plane, box_section, focus_of
from TumorGenCore.volumes.geometry import Box


def test_focus_of_an_empty_mask_is_the_center_of_the_box():
    box = BOXES["straight"]
    _, _, mask = make_case(np.eye(3), box)
    assert np.allclose(focus_of(mask * 0, box), box.center_lps)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_focus_is_the_centroid_of_the_tumor(direction):
    box = BOXES["rotated"]
    _, _, mask = make_case(direction, box)
    assert np.allclose(focus_of(mask, box), box.center_lps, atol=1.0)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_planes_show_the_patient_radiologically(direction, name):
    """Something left, posterior and superior of the focus appears on the side of its letter."""
    box = Box((0.0, 0.0, 0.0), (60.0, 60.0, 60.0))
    offset = np.array([20.0, 18.0, 22.0])  # L, P, S
    plane_of = {"axial": (0, 1), "coronal": (0, 2), "sagittal": (1, 2)}
    marked = np.zeros(3)
    marked[list(plane_of[name])] = offset[list(plane_of[name])]
    _, after, _ = make_case(direction, Box(tuple(marked), (30.0, 30.0, 30.0)))
    plane = Plane.through(np.zeros(3), name, box, after, 10.0)
    picture = plane.sample(after)
    row, column = np.argwhere(picture > 5).mean(axis=0) - (np.array(picture.shape) - 1) / 2
    expected = {"axial": (18, 20), "coronal": (-22, 20), "sagittal": (-22, 18)}[name]
    assert (row, column) == pytest.approx(expected, abs=2.0)


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal"])
def test_a_projection_shows_what_lies_anywhere_along_the_normal_at_its_place(direction, name):
    center = np.array([20.0, -18.0, 22.0])
    box = Box(tuple(center), (24.0, 24.0, 24.0))
    _, after, _ = make_case(direction, box)
    plane = Plane.over(after, name)
    picture = plane.project(after)
    left, right, bottom, top = plane.limits_mm
    row, column = (np.argwhere(picture > 5).mean(axis=0) + 0.5) / picture.shape
    here = left + column * (right - left), top + row * (bottom - top)
    silhouette = plane.silhouette(box)
    np.testing.assert_allclose(here, silhouette.mean(axis=0), atol=2.0)
    np.testing.assert_allclose(np.ptp(silhouette, axis=0), (24, 24))


def test_cut_of_a_straight_box_is_its_rectangle():
    box = Box((10.0, 20.0, 30.0), (4.0, 6.0, 8.0))
    assert np.allclose(np.ptp(box_section(box, 2, 30.0), axis=0), [4, 6, 0])
    assert len(box_section(box, 2, 40.0)) == 0


def test_cut_of_a_rotated_box_lies_on_plane_and_surface():
    box = BOXES["rotated"]
    points = box_section(box, 1, -4.0)
    assert 3 <= len(points) <= 6
    assert np.allclose(points[:, 1], -4.0)
    on_faces = np.isclose(np.abs(box.to_box(points)), np.asarray(box.size_mm) / 2).sum(axis=1)
    assert np.all(on_faces >= 2)  # every corner of the outline is on an edge of the box
