"""The measures of realism from the folder to the report; without enough lesions: ``test_report``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hot_finder import hot_finder
from small_cases import write_case
from tiny_bundle import tiny_generator

from TumorGenCore.evaluation import sites
from TumorGenCore.evaluation.features.distributions import STATISTICS
from TumorGenCore.evaluation.report import EvaluationPlan, evaluate
from TumorGenCore.evaluation.themes import told_apart

HELD_OUT = [f"H{n}" for n in range(5)]
TRAINING = [f"T{n}" for n in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("patients")
    for n, name in enumerate(HELD_OUT + TRAINING):
        write_case(path, name, (5.0 * n - 25, 10.0 - n, 3.0 * n - 15), seed=n)
    return path


def strict(text: str) -> dict:
    """JSON without NaN or Infinity."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))


class Brightness(torch.nn.Module):
    """Replaces Inception."""

    def forward(self, pictures: torch.Tensor, return_features: bool) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures[:, 0].float(), 2).flatten(1)


def test_a_report_tells_of_realism_with_floors_and_pictures(folder, tiny_bundle_folder, tmp_path, monkeypatch):
    # The test of told_apart by slices is in ``studies/test_telling_apart``.
    monkeypatch.setattr(told_apart, "slices_if_installed", lambda: None)
    # The bundle names T9, which is not in the folder.
    generator = tiny_generator(tiny_bundle_folder, [*TRAINING, "T9"], HELD_OUT)
    field = tmp_path / "field.json"
    field.write_text(json.dumps({"large set": {"quantile_levels": [0.1, 0.5, 0.9], "suvmax": [3.0, 8.0, 20.0]}}))
    segmenter = hot_finder(4.0, tuple(TRAINING), spacing_mm=3.0)
    torch.jit.script(Brightness()).save(str(tmp_path / "inception.pt"))
    options = {"field_statistics": field, "inception": tmp_path / "inception.pt"}
    evaluate(generator, EvaluationPlan(folder, tmp_path / "out", seeds=2, **options), segmenter)
    report = strict((tmp_path / "out" / "report.json").read_text())
    realism = report["realism"]
    assert {kind: len(rows) for kind, rows in realism["lesions"].items()} == {
        "training": 6,
        "held_out": 5,
        "tumor": 10,
        "healthy": 10,
        "phantom": 2 * len(sites.PHANTOM_SITES),
    }
    assert {row["seed"] for row in realism["lesions"]["tumor"]} == {0, 1}
    assert set(realism["statistics"]) == set(STATISTICS)
    # All balls have a diameter of 24 mm and SUV 8.
    assert realism["statistics"]["volume_ml"]["quantiles"]["held_out"]["q50"] == pytest.approx(7.2, rel=0.1)
    assert realism["statistics"]["sphericity"]["quantiles"]["training"]["q50"] == pytest.approx(1, abs=0.05)
    assert realism["seams"]["sites"]["H0 tumor"]["ratio"] > 0
    # Voxels hotter than SUV 4 are the ball, except for the softness of resampling.
    assert realism["alignment"]["real"]["dice"]["mean"] > 0.9
    assert realism["alignment"]["real"]["dice"]["lesions"] == 5
    equality = realism["equality"]
    assert equality["tumor"]["tumors"] == realism["alignment"]["groups"]["tumor"]["dice"]["lesions"]
    assert equality["patients"]["compared"] == equality["tumor"]["compared"] + equality["healthy"]["compared"]
    assert equality["patients"]["tumors"] == equality["tumor"]["tumors"] + equality["healthy"]["tumors"] > 0
    assert len(realism["alignment"]["sites"]["H0 tumor"]) == 2
    assert realism["alignment"]["groups"]["tumor"]["nsd"]["mean"] < 0.5
    for group, passing in realism["alignment"]["passing"].items():
        gates = [report["quality"]["groups"][name] for name in {"patients": ("tumor", "healthy")}.get(group, (group,))]
        assert passing["dice"]["lesions"] + passing["empty"] == sum(round(g["passes"] * g["n"]) for g in gates)
    patients, *groups = (realism["alignment"]["groups"][name]["dice"] for name in ("patients", "tumor", "healthy"))
    assert patients["lesions"] == sum(group["lesions"] for group in groups)
    assert patients["mean"] * patients["lesions"] == pytest.approx(sum(g["mean"] * g["lesions"] for g in groups))
    assert realism["diversity"]["tumor"]["between_seeds"]["correlation"] < 1
    assert realism["memorization"]["limit"] > 0
    assert realism["frechet"]["inception"]["features"] == 4
    text = (tmp_path / "out" / "report.md").read_text()
    for title in (
        "Lesion statistics",
        "Seams",
        "Agreement with a segmenter",
        "Variety",
        "Memorization",
        "Frechet distances",
        "Quality gate",
    ):
        assert f"## {title}" in text
    assert text.index("Does a segmenter treat them like real tumors?") < text.index("## Tumors at the sites")
    for picture in ("lesion_statistics.png", "memorization.png", "contact_sheet.png"):
        assert (tmp_path / "out" / picture).stat().st_size > 10_000
        assert picture in text
