"""Recovery of uptake: known values of spheres, and real shapes below them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.special import erf
from shape_libraries import SPACING_MM, ball

from TumorGenCore.evaluation.studies.usefulness_recovery import recovery, recovery_curve, recovery_lines, save_recovery
from TumorGenCore.training.data.shape_library import Shape


def sphere(radius_mm: float, voxel_mm: float) -> np.ndarray:
    half = int(radius_mm / voxel_mm) + 1
    k, j, i = np.indices((2 * half + 1,) * 3) - half
    return np.pad(k**2 + j**2 + i**2 <= (radius_mm / voxel_mm) ** 2, 15)


@pytest.mark.parametrize("radius", [5.0, 8.0, 12.0])
def test_the_middle_of_a_sphere_recovers_as_calculated(radius) -> None:
    """A ball convolved with a Gaussian, at its center: erf(a) - 2 a exp(-a^2) / sqrt(pi), a = radius / (sqrt(2) s)."""
    a = radius / (np.sqrt(2) * 6.0 / 2.3548)
    known = erf(a) - 2 * a * np.exp(-(a**2)) / np.sqrt(np.pi)
    found = recovery(sphere(radius, 1.0), 6.0, 1.0)
    assert found["max"] == pytest.approx(known, abs=0.03)
    assert found["mean"] < found["max"]


def test_a_flat_shape_recovers_less_than_its_sphere_and_a_ball_as_much(tmp_path: Path) -> None:
    flat = np.ones((2, 20, 20), dtype=bool)
    shapes = [Shape("fdg_lung_tumours", f"P{n}", mask, SPACING_MM) for n, mask in enumerate((ball(12.0), flat))]
    curve = recovery_curve(shapes, 6.0)
    of_ball, of_flat = curve["lesions"]
    for measure in ("max", "mean"):
        assert of_ball["shape"][measure] == pytest.approx(of_ball["sphere"][measure], abs=0.02)
        assert of_flat["shape"][measure] < of_flat["sphere"][measure] - 0.1
    assert [group["lesions"] for group in curve["groups"]] == [1, 1]
    assert all("patient" not in lesion for lesion in curve["lesions"])
    assert "| 15 to 50 | 1 |" in "\n".join(recovery_lines(curve))
    save_recovery(curve, tmp_path / "recovery.png")
    assert imread(tmp_path / "recovery.png")[..., :3].std() > 0.02
