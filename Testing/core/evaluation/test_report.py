"""An evaluation from the folder to the report, and refused input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_cases import write_case
from tiny_bundle import tiny_generator

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation import sites
from TumorGenCore.evaluation.report import EvaluationPlan, evaluate


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_case(folder, "A", (-25.0, 0.0, 0.0))
    write_case(folder, "A_2", (25.0, 0.0, 8.0))
    write_case(folder, "B", None)
    return folder


@pytest.fixture(scope="module")
def folder(data: Path, tiny_bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report without a training case."""
    generator = tiny_generator(tiny_bundle_folder, [], [])
    generator.bundle.notes["cases"] = {"patient_pattern": r"^([A-Z])"}
    output = tmp_path_factory.mktemp("evaluation") / "report"
    evaluate(generator, EvaluationPlan(data, output, ["A", "A_2", "B"], seeds=1))
    return output


def report_of(folder: Path) -> dict:
    """The values of a report: JSON without NaN or Infinity."""
    text = (folder / "report.json").read_text()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))


def test_a_report_has_figures_and_a_picture_and_counts_patients(folder: Path) -> None:
    report = report_of(folder)
    # A has two scans and counts once.
    decibel = {name: row["psnr_db"] for name, row in report["reconstruction"].items()}
    assert report["means"]["psnr_db"] == pytest.approx(((decibel["A"] + decibel["A_2"]) / 2 + decibel["B"]) / 2)
    assert report["patients"] == ["A", "B"]
    assert {report["sites"][name]["patient"] for name in ("A tumor", "A_2 tumor", "A_2 healthy 1")} == {"A"}
    assert {"A tumor", "A healthy 1", "phantom liver"} < set(report["sites"])
    volumes = [figures["volume_ml"] for figures in report["sites"].values() if figures["group"] == "phantom"]
    assert len(volumes) == len(sites.PHANTOM_SITES)
    assert report["means"]["phantom"]["volume_ml"] == pytest.approx(np.mean(volumes))
    assert (folder / "contact_sheet.png").stat().st_size > 10_000
    text = (folder / "report.md").read_text()
    assert "A tumor" in text and "of 2 patients" in text


def test_without_training_cases_figures_are_left_out_with_the_reason(folder: Path) -> None:
    realism = report_of(folder)["realism"]
    assert "lesions" in realism["statistics"]["tlg"]["left_out"]
    assert "0 training lesions" in realism["memorization"]["left_out"]
    assert "left_out" in realism["frechet"]["radiomics"]
    assert "--segmenter" in realism["alignment"]["left_out"]
    assert "--segmenter" in realism["equality"]["left_out"]
    assert realism["statistics"]["tlg"]["quantiles"]["held_out"]["n"] == 2
    text = (folder / "report.md").read_text()
    assert text.count("eft out") >= 3
    assert not (folder / "memorization.png").exists()
    assert "memorization.png" not in text


def test_figures_on_training_patients_are_refused(data: Path, tiny_bundle_folder: Path, tmp_path: Path) -> None:
    generator = tiny_generator(tiny_bundle_folder, ["A"], [])
    with pytest.raises(TrainingDataError, match="trained on the patients of A"):
        evaluate(generator, EvaluationPlan(data, tmp_path, ["A"]))
    with pytest.raises(TrainingDataError, match="names no held-out cases"):
        evaluate(generator, EvaluationPlan(data, tmp_path))
