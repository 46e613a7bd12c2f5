"""What the vector field is told about the tumor of an example."""

import numpy as np
import pytest

from TumorGenCore.method.controls import TumorControls
from TumorGenCore.training.data.measured_controls import measure_controls


def test_a_ball_in_a_box_is_measured():
    k, j, i = np.indices((40, 40, 40)) - 19.5
    ball = k**2 + j**2 + i**2 < 10**2
    coverage = np.zeros(ball.shape, np.float32)
    coverage[8:32, 8:32, 8:32] = 1
    found = measure_controls(np.where(ball, 7.0, 1.0), ball, coverage)
    assert found.fill == pytest.approx(4 / 3 * np.pi * 10**3 / 24**3, rel=0.02)
    assert found.suv == 7.0 and found.evenness == pytest.approx(1) and found.core == pytest.approx(1)
    assert 0.85 < found.solidity < 1
    assert measure_controls(ball * 1.0, np.zeros_like(ball), coverage) == TumorControls()


def test_a_flat_tumor_has_no_solidity_but_the_other_controls():
    mask = np.zeros((8, 8, 8))
    mask[4, 4, 4] = 1
    found = measure_controls(mask + 1, mask, np.ones(mask.shape))
    assert found.suv == 2.0 and found.evenness == 1.0
