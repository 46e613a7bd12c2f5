"""Implicit shapes: negative inside, positive outside, and near the true distance at the surface."""

from __future__ import annotations

import numpy as np
import pytest

from TumorGenCore.phantom.shapes import Points, Shape, both, ellipsoid, stack, tube

BALL = ellipsoid((10.0, 0.0, 0.0), (20.0, 20.0, 20.0))
CHAIN = tube([(0.0, 0.0, 0.0), (0.0, 0.0, 40.0)], 5.0)


def points(*places: tuple[float, float, float]) -> Points:
    x, y, z = (np.array([[[place[n]]] for place in places], dtype=np.float32) for n in range(3))
    return x, y, z


def at(shape: Shape, *places: tuple[float, float, float]) -> list[float]:
    return shape.distance(points(*places)).ravel().tolist()


@pytest.mark.parametrize(
    "shape",
    [
        BALL,
        CHAIN,
        ellipsoid((0.0, 5.0, 0.0), (10.0, 20.0, 30.0), (30.0, 0.0, 45.0)),
        BALL.join(CHAIN),
        BALL.grow(4.0),
        stack([(0, 30, 20, 0), (40, 35, 22, 3), (80, 30, 20, 0)]),
    ],
    ids=["ball", "tube", "tilted", "joined", "grown", "stacked"],
)
def test_a_shape_lies_within_its_box(shape: Shape) -> None:
    axes = [
        np.linspace(low - 15, high + 15, 40, dtype=np.float32) for low, high in zip(shape.low, shape.high, strict=True)
    ]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    inside = shape.distance((x, y, z)) < 0
    assert inside.any()
    for places, low, high in zip((x, y, z), shape.low, shape.high, strict=True):
        assert low - 3 <= places[inside].min() and places[inside].max() <= high + 3  # blends bulge a little


def test_distances_at_the_surface_are_in_mm() -> None:
    assert at(BALL, (30.0, 0.0, 0.0), (31.0, 0.0, 0.0), (29.0, 0.0, 0.0)) == pytest.approx([0, 1, -1], abs=0.06)
    assert at(CHAIN, (5.0, 0.0, 20.0), (8.0, 0.0, 20.0), (0.0, 0.0, 48.0)) == pytest.approx([0, 3, 3], abs=1e-4)


def test_shapes_are_cut_hollowed_and_subtracted() -> None:
    center, rim, outside = (12.0, 0.0, 0.0), (29.0, 0.0, 0.0), (40.0, 0.0, 0.0)
    for shape, expected in (
        (BALL.cut((1.0, 0.0, 0.0), 20.0), (True, False, False)),
        (BALL.shell(6.0), (False, True, False)),
        (BALL.minus(BALL.grow(-10.0)), (False, True, False)),
        (BALL.within(BALL, 10.0), (True, False, False)),
        (BALL.join(BALL.grow(15.0)), (True, True, True)),
    ):
        assert tuple(distance < 0 for distance in at(shape, center, rim, outside)) == expected


def test_both_sides_mirror_the_left() -> None:
    left, right = both([(10, 2, 3), (20, 5, 6)])
    assert left[:, 0].tolist() == [10, 20]
    assert right.tolist() == [[-10, 2, 3], [-20, 5, 6]]
