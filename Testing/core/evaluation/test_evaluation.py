"""The evaluation's figures, against cases whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import TumorGenerator
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation import sites
from TumorGenCore.evaluation.report import evaluate
from TumorGenCore.phantom.phantom import PHANTOM_SITES
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.volumes.geometry import Grid


def write_ball(folder: Path, center_i: int, radius: int, spacing_mm: float) -> Path:
    """One case: a hot ball of so many voxels' radius in a warm block."""
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


def test_a_report_has_figures_and_a_picture(data: Path, tiny_bundle_folder: Path, tmp_path: Path) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    report = evaluate(generator, data, tmp_path / "report", ["A"], seeds=2, steps=1)
    assert report["means"]["psnr_db"] == report["reconstruction"]["A"]["psnr_db"]
    assert {"A tumor", "A healthy 1", "phantom liver"} < set(report["sites"])
    volumes = [figures["volume_ml"] for figures in report["sites"].values() if figures["group"] == "phantom"]
    assert len(volumes) == len(PHANTOM_SITES)
    assert report["means"]["phantom"]["volume_ml"] == pytest.approx(np.mean(volumes))
    assert (tmp_path / "report" / "contact_sheet.png").stat().st_size > 10_000
    assert "A tumor" in (tmp_path / "report" / "report.md").read_text()


def test_figures_on_training_patients_are_refused(data: Path, tiny_bundle_folder: Path, tmp_path: Path) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    generator.bundle.notes["cases"] = {"training": ["A"], "validation": []}
    with pytest.raises(TrainingDataError, match="trained on A"):
        evaluate(generator, data, tmp_path, ["A"])
    with pytest.raises(TrainingDataError, match="names no held-out cases"):
        evaluate(generator, data, tmp_path)
