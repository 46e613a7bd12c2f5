"""The sites of an evaluation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.evaluation import sites
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.volumes.geometry import Grid


def write_ball(folder: Path, center_i: int, radius: int, spacing_mm: float) -> Path:
    """Writes one case: a hot ball in a warm block; ``radius`` in voxels."""
    k, j, i = np.indices((48, 48, 48))
    ball = (k - 24) ** 2 + (j - 24) ** 2 + (i - center_i) ** 2 <= radius**2
    grid = Grid((48, 48, 48), (spacing_mm,) * 3)
    sitk.WriteImage(grid.image_from_array(np.where(ball, 6.0, 1.0).astype(np.float32)), folder / "A_image.nii.gz")
    sitk.WriteImage(grid.image_from_array(ball.astype(np.uint8)), folder / "A_mask.nii.gz")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ball(tmp_path_factory.mktemp("data"), center_i=14, radius=6, spacing_mm=2.5)


def test_sites_are_a_rough_box_on_the_tumor_and_healthy_ones_away_from_it(data: Path) -> None:
    case = load_cases(data)[0]
    tumor, healthy = sites.sites_of(case, healthy=1, edge_mm=20.0)
    points = case.lesions[0].points_lps
    assert tumor.box.contains(points).all()
    assert not healthy.box.contains(points).any()
    assert (tumor.group, healthy.group) == ("tumor", "healthy")
    assert tumor.real is not None
    assert healthy.real is None


def test_a_box_holds_the_whole_of_a_large_tumor(tmp_path: Path) -> None:
    case = load_cases(write_ball(tmp_path, center_i=24, radius=16, spacing_mm=5.0))[0]
    site = sites.sites_of(case, healthy=0)[0]
    assert site.box.contains(case.lesions[0].points_lps).all()
    assert site.box.size_mm == pytest.approx((33 * 5 + 20,) * 3)
