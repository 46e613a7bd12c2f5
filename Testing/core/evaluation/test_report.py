"""An evaluation from the folder to the report, and refused input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_cases import write_case

from TumorGenCore import TumorGenerator
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.report import EvaluationPlan, evaluate
from TumorGenCore.phantom.phantom import PHANTOM_SITES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_case(folder, "A", (-25.0, 0.0, 0.0))
    return folder


def test_a_report_has_figures_and_a_picture(data: Path, tiny_bundle_folder: Path, tmp_path: Path) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    report = evaluate(generator, EvaluationPlan(data, tmp_path / "report", ["A"], seeds=2, steps=1))
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
        evaluate(generator, EvaluationPlan(data, tmp_path, ["A"]))
    with pytest.raises(TrainingDataError, match="names no held-out cases"):
        evaluate(generator, EvaluationPlan(data, tmp_path))
