"""Seams: a hard paste has one, a faded change has none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from TumorGenCore.lesions.seams import seam_ratio
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import paste_window

GRID = Grid((40, 36, 32), (3.0, 3.0, 4.0), (-60.0, -50.0, -60.0))
UPRIGHT = Box((0.0, 3.0, 2.0), (40.0, 36.0, 44.0))
TILTED = Box((0.0, 3.0, 2.0), (40.0, 36.0, 44.0), Rotation.from_euler("xyz", [20, 10, 30], degrees=True).as_matrix())
WHOLE = tuple(slice(0, n) for n in GRID.size_ijk[::-1])


def scan():
    return np.random.default_rng(0).normal(2.0, 0.2, GRID.size_ijk[::-1])


@pytest.mark.parametrize("box", [UPRIGHT, TILTED])
def test_a_hard_paste_is_steep_and_a_faded_one_is_not(box):
    noise, window = scan(), paste_window(box, GRID, WHOLE, 6.0)
    assert seam_ratio(noise, noise, GRID, box) == 1
    assert seam_ratio(noise, noise + 3.0 * (window > 0), GRID, box) > 5
    faded = seam_ratio(noise, noise + 0.3 * window, GRID, box)
    step = seam_ratio(noise, noise + 0.3 * (window > 0), GRID, box)
    assert faded < 1.2
    assert step > 1.5


def test_a_ramp_made_twice_as_steep_has_a_ratio_of_two():
    k, j, i = np.indices(GRID.size_ijk[::-1], dtype=float)
    ramp = 0.1 * i + 0.2 * j + 0.3 * k
    assert seam_ratio(ramp, 2 * ramp, GRID, UPRIGHT) == pytest.approx(2)


def test_what_has_no_faces_in_the_scan_or_is_flat_has_no_ratio():
    flat, noise = np.ones(GRID.size_ijk[::-1]), scan()
    assert seam_ratio(flat, flat, GRID, UPRIGHT) is None
    assert seam_ratio(noise, noise, GRID, Box((0.0, 0.0, 0.0), (380.0, 380.0, 380.0))) is None
