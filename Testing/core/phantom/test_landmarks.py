"""Landmarks: they lead to the phantom's coordinates and back, and do not fold a body."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.phantom.landmarks import LANDMARKS


@pytest.fixture(params=LANDMARKS)
def landmarks(request):
    return LANDMARKS[request.param]


def test_the_symphysis_lies_at_the_phantom_s_origin(landmarks):
    x, y, z = (np.array([value]) for value in landmarks.origin)
    assert np.concatenate(landmarks.to_phantom((x, y, z))) == pytest.approx([0, 0, 0])


def test_a_space_in_the_phantom_holds_its_points_in_the_body(landmarks):
    low, high = landmarks.bounds(np.array([-60.0, -40.0, 150.0]), np.array([60.0, 40.0, 420.0]))
    heights = np.linspace(low[2], high[2], 50)
    for x, y in ((low[0], low[1]), (high[0], high[1])):
        u, v, w = landmarks.to_phantom((np.full(50, x), np.full(50, y), heights))
        assert np.all(np.abs(u) >= 59) and np.all(np.abs(v) >= 39)
        assert w[0] == pytest.approx(150, abs=1) and w[-1] == pytest.approx(420, abs=1)


def test_heights_rise_and_go_on_in_millimeters_beyond_the_last(landmarks):
    heights = np.arange(landmarks.table[0, 1] - 50, landmarks.table[-1, 1] + 50, 5.0)
    _, _, z = landmarks.to_phantom((heights, heights, heights))
    assert np.all(np.diff(z) > 0)
    assert z[1] - z[0] == pytest.approx(5) and z[-1] - z[-2] == pytest.approx(5)
