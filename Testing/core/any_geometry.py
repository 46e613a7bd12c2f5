"""Any grid, box and volume, for hypothesis; the same cases come in each run.

Rotations are drawn by their angles, so that hypothesis also tries 0, 90 and 180 degrees.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import SimpleITK as sitk
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from TumorGenCore.volumes.geometry import Box, Grid

#: Marks a test: it always gets the same cases, so a run on another machine fails or passes alike.
cases = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
few_cases = settings(cases, max_examples=25)

ORDERS = list(itertools.permutations(range(3)))


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Numbers of a range, without tiny ones: in a file, 1e-200 mm is 0."""
    return st.floats(low, high).map(lambda value: round(value, 6))


def triples(low: float, high: float) -> st.SearchStrategy[tuple[float, float, float]]:
    return st.tuples(*[numbers(low, high)] * 3)


@st.composite
def directions(draw: Any, left_handed: bool = True) -> NDArray[np.float64]:
    """Orthonormal 3x3 matrices: any rotation of any order and sense of the axes."""
    angles = draw(triples(-180, 180))
    order = list(draw(st.sampled_from(ORDERS)))
    signs = np.array(draw(st.tuples(*[st.sampled_from([1.0, -1.0])] * 3)))
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()[:, order] * signs
    if not left_handed and np.linalg.det(matrix) < 0:
        matrix[:, 2] *= -1
    return matrix


@st.composite
def grids(draw: Any, spacing: tuple[float, float] = (0.1, 20.0), most: int = 9, left_handed: bool = True) -> Grid:
    size = draw(st.tuples(*[st.integers(2, most)] * 3))
    rows = draw(directions(left_handed))
    a, b, c = rows.tolist()
    return Grid(size, draw(triples(*spacing)), draw(triples(-1500, 1500)), (tuple(a), tuple(b), tuple(c)))


@st.composite
def boxes(draw: Any, grid: Grid | None = None, least: float = 0.5, most: float = 150.0) -> Box:
    """Boxes anywhere, or, with a grid, with their center in its voxels."""
    center = draw(triples(-1500, 1500))
    if grid is not None:
        center = grid.index_to_lps(np.array(draw(triples(0, 1))) * (np.array(grid.size_ijk) - 1))
    return Box(tuple(center), draw(triples(least, most)), draw(directions()))  # type: ignore[arg-type]


def noise(grid: Grid, dtype: Any = np.float32, highest: float = 5) -> sitk.Image:
    """Noise of 0 to ``highest`` on a grid; one grid size always gets the same noise."""
    values = np.random.default_rng(grid.size_ijk).random(grid.size_ijk[::-1]) * highest
    return grid.image_from_array(values.astype(dtype))
