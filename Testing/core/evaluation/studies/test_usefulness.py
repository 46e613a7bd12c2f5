"""Usefulness from the folder to the report, on tiny networks; resume and refused input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.image import imread
from shape_libraries import write_balls
from small_cases import write_patients
from tiny_bundle import tiny_generator

from TumorGenCore import TumorGenerator
from TumorGenCore.cli import main
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.studies.usefulness import UsefulnessRun, usefulness
from TumorGenCore.evaluation.studies.usefulness_results import ARMS, GROUPS
from TumorGenCore.evaluation.studies.usefulness_scans import SCAN_FIGURES
from TumorGenCore.training.config import SegmenterRun, default_config, read_config
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.volumes.patch import PatchSettings

#: These tests train networks.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_curves")]

HELD_OUT, TRAINING = ["H0", "H1"], ["T0", "T1", "T2", "W"]
RUN = UsefulnessRun(
    segmenter=SegmenterRun(
        loop=LoopSettings(steps=2, learning_rate=1e-2, warmup_steps=1, checkpoint_minutes=60),
        patch=PatchSettings(spacing_mm=4.0, context_mm=8.0, multiple=8),
        channels=[8, 16, 16],
        patch_size=16,
        batch_size=2,
    ),
    healthy_only=["W"],
    patients=2,
    seeds=2,
    synthetic_scans=3,
    small_lesions=2,
    shaped_lesions=2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cases = write_patients(tmp_path_factory.mktemp("patients"), HELD_OUT + TRAINING, healthy=["W"])
    write_balls(cases / "shapes", "fdg_lung_tumours", patients=8)
    return cases


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return tiny_generator(tiny_bundle_folder, TRAINING, HELD_OUT)


@pytest.fixture(scope="module")
def output(folder, generator, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("usefulness") / "out"
    usefulness(generator, folder, out, RUN)
    return out


def test_every_arm_is_tested_on_the_same_scans_with_every_seed(output) -> None:
    text = (output / "report.json").read_text()
    report = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the report"))
    assert list(report["arms"]) == list(ARMS)
    assert len(report["few"]) == 2 and set(report["few"]) < set(report["all"]) == {"T0", "T1", "T2"}
    assert report["healthy_only"] == ["W"] and report["held_out"] == HELD_OUT
    assert report["patches"] == 4
    names = [[row["name"] for row in some] for arm in report["arms"].values() for some in arm["rows"].values()]
    assert len(names) == 2 * len(ARMS) and all(some == names[0] for some in names)
    assert report["groups"]["own size"] == 2
    assert report["groups"]["made small"] == sum(report["groups"][name] for name in GROUPS[2:5])
    assert 0 < report["groups"][GROUPS[-1]] <= 4
    assert sum(group["lesions"] for group in report["recovery"]["groups"]) == 2
    assert {about["tumors"] + about["empty"] for about in report["synthetic"].values()} == {3}
    for arm, found in report["arms"].items():
        for figure in SCAN_FIGURES:
            own = found["groups"]["own size"][figure]
            assert own["patients"] == 2 and len(own["seeds"]) == 2
            assert own["mean"] == pytest.approx(sum(own["seeds"]) / 2)
            over = own["over_real"]
            base = report["arms"]["real"]["groups"]["own size"][figure]["mean"]
            assert over is None if arm == "real" else over["mean"] == pytest.approx(own["mean"] - base)


def test_the_report_says_what_the_generator_knows_and_shows_every_arm(output) -> None:
    text = (output / "report.md").read_text()
    assert "What the generator knows" in text and "in a similar way" in text
    groups = json.loads((output / "report.json").read_text())["groups"]
    for label in ARMS.values():
        assert text.count(f"| {label} |") >= sum(scans > 0 for scans in groups.values())
    assert "false negative volume" in text and "## Recovery" in text
    for picture in ("usefulness.png", "synthetic.png", "recovery.png"):
        assert picture in text
        assert imread(output / picture)[..., :3].std() > 0.05


def test_a_tested_segmenter_is_not_trained_again(output, folder, generator) -> None:
    rows = output / "runs" / "tumorgen-1" / "rows.json"
    before = {path: path.stat().st_mtime_ns for path in (output / "runs").glob("*/rows.json")}
    kept = json.loads((output / "report.json").read_text())
    assert len(before) == 2 * len(ARMS)
    content = rows.read_text()
    rows.unlink()
    again = usefulness(generator, folder, output, RUN, resume=True)
    changed = [path for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == [rows] and rows.read_text() == content
    assert again["arms"] == kept["arms"]
    assert not list(output.glob("runs/*/checkpoints"))


def test_bad_input_is_refused_before_any_output(output, folder, generator, tmp_path, capsys) -> None:
    with pytest.raises(TrainingDataError, match="--resume"):
        usefulness(generator, folder, output, RUN)
    with pytest.raises(TrainingDataError, match="started with other settings"):
        usefulness(generator, folder, output, replace(RUN, seeds=1), resume=True)
    with pytest.raises(TrainingDataError, match="ask for 9 training patients"):
        usefulness(generator, folder, tmp_path / "out", replace(RUN, patients=9))
    with pytest.raises(TrainingDataError, match="healthy_only names H0"):
        usefulness(generator, folder, tmp_path / "out", replace(RUN, healthy_only=["H0"]))
    command = ["usefulness", "--data", str(folder), "--output", str(tmp_path / "out"), "--model", str(tmp_path)]
    assert main(command) == 1
    assert "no model bundle" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_shipped_configuration_fits() -> None:
    run = read_config(UsefulnessRun, default_config("usefulness"))
    assert run.seeds == 3 and run.segmenter.loop.steps <= 600
    assert set(run.segmenter.data.exclude_lps_mm) <= set(run.healthy_only)
