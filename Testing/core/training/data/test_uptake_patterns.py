"""Patterns of uptake that fill a shape."""

from __future__ import annotations

import numpy as np

from TumorGenCore.training.data.uptake_patterns import carried_pattern, drawn_pattern

DISTANCE = np.linalg.norm(np.indices((40, 40, 40)) - 19.5, axis=0)
LARGE, SMALL = DISTANCE < 14, DISTANCE < 3


def evenness(pattern: np.ndarray, mask: np.ndarray) -> float:
    return pattern[mask].mean() / np.percentile(pattern[mask], 95)


def core_over_rim(pattern: np.ndarray, mask: np.ndarray) -> float:
    radius = DISTANCE[mask].max()
    return pattern[0.6 * radius > DISTANCE].mean() / pattern[mask & (0.85 * radius < DISTANCE)].mean()


def drawn(mask: np.ndarray, count: int = 30) -> list[np.ndarray]:
    return [drawn_pattern(np.random.default_rng(seed), mask, 2.5) for seed in range(count)]


def test_drawn_patterns_vary_as_tumors_do() -> None:
    patterns = drawn(LARGE)
    assert all(
        pattern.dtype == np.float32 and np.isfinite(pattern).all() and pattern.min() >= 0 for pattern in patterns
    )
    even = np.array([evenness(pattern, LARGE) for pattern in patterns])
    assert even.std() > 0.05 and 0.4 < even.mean() < 0.9
    core = np.array([core_over_rim(pattern, LARGE) for pattern in patterns])
    assert 0.15 < (core < 0.7).mean() < 0.6
    assert 0.6 < np.median([pattern[LARGE].mean() for pattern in patterns]) < 1.4


def test_small_tumors_have_no_cold_core() -> None:
    assert min(core_over_rim(pattern, SMALL) for pattern in drawn(SMALL)) > 0.6


def test_a_pattern_is_smooth() -> None:
    for pattern in drawn(LARGE, 5):
        inside = LARGE[1:] & LARGE[:-1]
        assert np.corrcoef(pattern[1:][inside], pattern[:-1][inside])[0, 1] > 0.6


def test_a_carried_pattern_goes_on_outside_without_the_blurred_border() -> None:
    suv = np.where(DISTANCE < 10, 8.0, 1.0)
    suv[(DISTANCE >= 9) & (DISTANCE < 10)] = 4.0  # the border, mixed with the tissue
    suv[DISTANCE < 4] = 2.0
    carried = carried_pattern(suv, DISTANCE < 10)
    assert carried[DISTANCE > 14].min() > 7.5 and carried[DISTANCE < 3].max() < 2.5
    assert carried[(DISTANCE >= 9) & (DISTANCE < 10)].mean() > 6


def test_a_tiny_tumor_carries_its_own_uptake() -> None:
    mask = np.zeros((9, 9, 9), bool)
    mask[4, 4, 4:6] = True
    np.testing.assert_allclose(carried_pattern(np.where(mask, 5.0, 1.0), mask), 5.0)
