"""The comparison from the folder to the report, and refused input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hot_finder import hot_finder
from matplotlib.image import imread
from small_cases import write_patients
from tiny_bundle import tiny_generator

from TumorGenCore import TumorGenerator, TumorRequest
from TumorGenCore.cli import main
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.rivals.lineup import rivals_of
from TumorGenCore.evaluation.studies.comparison import compare
from TumorGenCore.evaluation.studies.comparison_text import comparison_text
from TumorGenCore.evaluation.themes.alignment import ALIGNMENT_FIGURES, mean_alignment
from TumorGenCore.evaluation.themes.equality import differences
from TumorGenCore.lesions.quality import GOOD_QUALITY
from TumorGenCore.method.schedule import Sampling
from TumorGenCore.training.data.cases import load_cases

HELD_OUT, TRAINING = ["H0", "H1"], ["T0", "T1", "T2"]
METHODS = [
    "copy-paste",
    "SynTumor's manner",
    *[f"TumorGen, Euler-{steps}" for steps in (50, 10, 4)],
    *[f"TumorGen, {solver}-{steps}" for solver in ("Heun", "Adams") for steps in (10, 4)],
    "TumorGen, Euler-1, poor ones redrawn",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patients(tmp_path_factory.mktemp("patients"), HELD_OUT + TRAINING)


@pytest.fixture
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return tiny_generator(tiny_bundle_folder, TRAINING, HELD_OUT)


@pytest.mark.slow
def test_every_method_is_measured_at_the_same_sites(folder, generator, tmp_path) -> None:
    told: list[str] = []
    segmenter = hot_finder(2.0, tuple(TRAINING), spacing_mm=4.0)
    compare(generator, folder, tmp_path / "out", segmenter, seeds=1, on_progress=told.append)
    assert sum("done" in line for line in told) == 4
    text = (tmp_path / "out" / "report.json").read_text()
    report = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))
    assert list(report["seconds"]) == METHODS
    assert all(row["n"] == 4 and row["median"] > 0 for row in report["seconds"].values())
    alignment = report["alignment"]
    assert list(alignment["methods"]) == METHODS
    for groups in alignment["methods"].values():
        for row in groups.values():
            assert row["dice"]["lesions"] + row["empty"] == 2
            assert (row["volume_ml"] is None) == (row["empty"] == 2)
    assert alignment["real"]["dice"]["mean"] > 0.8
    assert alignment["real"]["volume_ml"] == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.15)
    # Hot balls are pasted over hot balls, so the hot voxels are the tumor.
    assert alignment["methods"]["copy-paste"]["healthy"]["dice"]["mean"] > 0.7
    assert alignment["methods"]["copy-paste"]["tumor"]["dice"]["mean"] > 0.5
    assert list(report["equality"]) == METHODS
    for groups in report["equality"].values():
        assert groups["patients"]["tumors"] == groups["tumor"]["tumors"] + groups["healthy"]["tumors"]
    copied = report["equality"]["copy-paste"]["healthy"]
    assert copied["compared"] > 0 and -1 <= copied["dice"]["mean"] <= 1
    shown = (tmp_path / "out" / "report.md").read_text()
    for method in METHODS:
        assert shown.count(f"| {method} |") >= 3
    assert shown.count("One side has only 2 real lesions") == 2
    picture = imread(tmp_path / "out" / "contact_sheet.png")
    # One row per site; one column for the scan and one per method.
    assert picture.shape[1] / picture.shape[0] == pytest.approx((len(METHODS) + 1) * 2.2 / (4 * 2.45 + 0.3), rel=0.05)


def test_each_row_is_sampled_as_its_name_says(folder, generator) -> None:
    """The bundle's own number of steps does not matter."""
    usual = replace(generator.bundle, sampling=Sampling(7, "adams"))
    methods = rivals_of(TumorGenerator(usual, "cpu"), load_cases(folder, TRAINING), ())
    own = {name: method for name, method in methods.items() if name.startswith("TumorGen, ")}
    redrawn = own.pop("TumorGen, Adams-7, poor ones redrawn")
    assert redrawn.request == TumorRequest(least_quality=GOOD_QUALITY)
    for name, method in own.items():
        assert name == f"TumorGen, {method.request.solver.capitalize()}-{method.request.steps}"


def nothing() -> dict:
    return {**mean_alignment(["A"], [dict.fromkeys(ALIGNMENT_FIGURES)]), "volume_ml": None}


def test_patients_that_a_network_knows_are_refused_before_any_output(folder, generator, tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="segmenter was trained on the patients of H1"):
        compare(generator, folder, tmp_path / "out", hot_finder(4.0, ("H1",)))
    # By the settings of this segmenter, H0 and T0 are one patient.
    with pytest.raises(TrainingDataError, match="bundle was trained on the patients of H0, H1"):
        compare(generator, folder, tmp_path / "out", hot_finder(4.0, ("T9",), pattern=r"^.(\d)"))
    generator.bundle.notes["cases"]["training"] = ["T9"]
    with pytest.raises(TrainingDataError, match="copy-paste"):
        compare(generator, folder, tmp_path / "out", hot_finder(4.0))
    assert not (tmp_path / "out").exists()


def test_the_command_names_what_it_lacks(folder, tmp_path, capsys) -> None:
    command = ["compare", "--data", str(folder), "--output", str(tmp_path / "out"), "--segmenter", str(tmp_path)]
    assert main(command) == 1
    assert "train segmenter" in capsys.readouterr().err
    assert main([*command, "--diffusion", str(tmp_path)]) == 1
    assert "train rival" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_text_shows_what_is_left_out_and_each_block() -> None:
    interval = {f"{key}_interval": [0.5, 1.5] for key in ("value", "floor", "excess")}
    row = {"value": 1.0, "floor": 0.25, "excess": 0.75, **interval}
    size = {"features": 2, "components": 2, "explained": 0.9}
    like = {**row, **size, "blocks": {name: {"value": 1.0, "floor": 0.25} for name in ("first", "second")}}
    found = {"like": like, "poor": {"left_out": "has 3 lesions."}}
    report = {
        "bundle": "x",
        "cases": ["A"],
        "seeds": [0],
        "frechet": {"radiomics": {"left_out": "not installed."}, "efflite0": {"methods": found}},
        "equality": {"like": dict.fromkeys(("patients", "tumor", "healthy"), differences([], []))},
        "alignment": {"real": nothing(), "methods": {"like": {"tumor": nothing(), "healthy": nothing()}}},
        "seconds": {"like": {"median": 1.0, "quartiles": [0.5, 2.0], "n": 3}},
    }
    text = comparison_text(report)
    assert "Left out: not installed." in text
    assert "Left out for poor" in text
    assert "| like | - | " in text and "1.000 (0.500 to 2.000)" in text
    assert "|  | first | second | average | excess |" in text
