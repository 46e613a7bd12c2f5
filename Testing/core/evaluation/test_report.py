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
    write_case(folder, "A_2", (25.0, 0.0, 8.0))
    write_case(folder, "B", None)
    return folder


def test_a_report_has_figures_and_a_picture_and_counts_patients(
    data: Path, tiny_bundle_folder: Path, tmp_path: Path
) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    generator.bundle.notes["cases"] = {"patient_pattern": r"^([A-Z])"}
    report = evaluate(generator, EvaluationPlan(data, tmp_path / "report", ["A", "A_2", "B"], seeds=1, steps=1))
    # A has two scans and counts once.
    decibel = {name: row["psnr_db"] for name, row in report["reconstruction"].items()}
    assert report["means"]["psnr_db"] == pytest.approx(((decibel["A"] + decibel["A_2"]) / 2 + decibel["B"]) / 2)
    assert report["patients"] == ["A", "B"]
    assert {report["sites"][name]["patient"] for name in ("A tumor", "A_2 tumor", "A_2 healthy 1")} == {"A"}
    assert {"A tumor", "A healthy 1", "phantom liver"} < set(report["sites"])
    volumes = [figures["volume_ml"] for figures in report["sites"].values() if figures["group"] == "phantom"]
    assert len(volumes) == len(PHANTOM_SITES)
    assert report["means"]["phantom"]["volume_ml"] == pytest.approx(np.mean(volumes))
    assert (tmp_path / "report" / "contact_sheet.png").stat().st_size > 10_000
    text = (tmp_path / "report" / "report.md").read_text()
    assert "A tumor" in text and "of 2 patients" in text


def test_figures_on_training_patients_are_refused(data: Path, tiny_bundle_folder: Path, tmp_path: Path) -> None:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    generator.bundle.notes["cases"] = {"training": ["A"], "validation": []}
    with pytest.raises(TrainingDataError, match="trained on the patients of A"):
        evaluate(generator, EvaluationPlan(data, tmp_path, ["A"]))
    with pytest.raises(TrainingDataError, match="names no held-out cases"):
        evaluate(generator, EvaluationPlan(data, tmp_path))
