"""`tumorgen judge-shapes` from the folder to the report, with a tiny bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from matplotlib.image import imread
from shape_libraries import write_balls
from small_cases import write_patients
from tiny_bundle import tiny_generator

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.studies import shapes_judged
from TumorGenCore.evaluation.studies.shapes_judged import judge_shapes
from TumorGenCore.evaluation.two_sample import mask_test
from TumorGenCore.evaluation.two_sample.mask_test import FEATURES, PARTS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes_judged, "PHANTOMS", 1)
    monkeypatch.setattr(mask_test, "DEALS", 1)


@pytest.mark.slow
def test_masks_are_judged_against_shapes_of_their_boxes(tiny_bundle_folder: Path, tmp_path: Path) -> None:
    data = write_patients(tmp_path, ["T0", "H0"])
    write_balls(data / "shapes", "fdg_lung_tumours", 20)  # All below 20 ml.
    lines: list[str] = []
    generator = tiny_generator(tiny_bundle_folder, ["T0"], ["H0"])
    out = tmp_path / "out"
    report = judge_shapes(generator, data, out, on_progress=lines.append)
    text = (out / "report.json").read_text()
    assert report == json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))
    assert report["hosts"] == {"lung": ["phantom 0"], "other tissue": ["phantom 0", "T0"]}
    assert [test["name"] for test in report["tests"]] == [
        "fdg_lung_tumours in lung",
        "fdg_lung_tumours in other tissue",
    ]
    for test in report["tests"]:
        assert test["lesions"] == test["patients"] == 5
        # The tiny bundle cannot be asked for a fill.
        assert list(test["modes"]) == ["as drawn"]
        drawn = test["modes"]["as drawn"]
        assert drawn["volume_over_real"]["n"] == 5
        assert all(0 <= found[part]["auc"] <= 1 for found in (drawn, test["floor"]) for part in PARTS)
        assert test["features"]["judging shapes"]["solidity"]["n"] == 5
        assert test["features"]["training shapes"]["solidity"]["n"] == 15
    page = (out / "report.md").read_text()
    assert all(page.count(f"| {title} |") == 2 for title in FEATURES.values())
    for picture in ("distributions.png", "masks.png"):
        assert picture in page and imread(out / picture)[..., :3].std() > 0.02
    assert any("T0" in line for line in lines)


def test_a_library_with_too_few_patients_is_refused_before_any_output(tiny_bundle_folder, tmp_path) -> None:
    generator = tiny_generator(tiny_bundle_folder, [], [])
    write_balls(tmp_path / "shapes", "fdg_lung_tumours", 8)
    with pytest.raises(TrainingDataError, match="judging patients"):
        judge_shapes(generator, tmp_path, tmp_path / "out")
    with pytest.raises(TrainingDataError, match="No shapes were found"):
        judge_shapes(generator, tmp_path, tmp_path / "out", tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()
