"""Lesions for the tests of features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from TumorGenCore.evaluation.samples import LesionSample


@pytest.fixture(scope="session")
def lumpy() -> Callable[..., LesionSample]:
    """Makes an ellipsoid in noise, different for every number; ``gain`` multiplies its uptake."""

    def lumpy(number: int, gain: float = 1.0) -> LesionSample:
        rng = np.random.default_rng(number)
        k, j, i = (np.indices((24, 24, 24)) - 11.5) * 4 / rng.uniform(12, 28, size=3)[:, None, None, None]
        mask = k**2 + j**2 + i**2 < 1
        suv = (1 + mask * gain * rng.uniform(3, 8) + 0.3 * rng.normal(size=mask.shape)).astype(np.float32)
        return LesionSample(f"L{number}", f"P{number}", 0, suv, mask, (4.0, 4.0, 4.0))

    return lumpy
