"""The independent segmenter: its training, and its agreement with known masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hot_finder import hot_finder

from TumorGenCore.cli import main
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.themes.alignment import ALIGNMENT_FIGURES, alignment, mean_alignment, overlap, voxel_limit
from TumorGenCore.training.stages.segmenter import load_segmenter
from TumorGenCore.volumes.geometry import Box, Grid

SETTINGS = {
    "data": {"patient_pattern": r"^(P\d)", "validation_share": 0.34, "always_train": ["P4"]},
    "loop": {"steps": 60, "learning_rate": 1e-2, "warmup_steps": 2, "validate_steps": 30, "checkpoint_minutes": 60},
    "patch": {"spacing_mm": 4.0, "context_mm": 8.0, "multiple": 8, "max_size": 32},
    "channels": [8, 16, 16],
    "patch_size": 16,
    "batch_size": 4,
}


def ball(radius_mm: float, center: float = 23.5, spacing_mm: float = 1.0) -> np.ndarray:
    k, j, i = np.indices((48, 48, 48))
    return (k - 23.5) ** 2 + (j - 23.5) ** 2 + (i - center) ** 2 <= (radius_mm / spacing_mm) ** 2


def test_equal_masks_agree_fully_and_an_empty_answer_not_at_all() -> None:
    truth = ball(10)
    assert overlap(truth, truth, 1.0, 3.0) == {"dice": 1.0, "nsd": 1.0, "nsd_voxel": 1.0}
    assert overlap(np.zeros_like(truth), truth, 1.0, 3.0) == {"dice": 0.0, "nsd": 0.0, "nsd_voxel": 0.0}


def test_a_border_that_is_three_millimeters_off_passes_only_the_wider_tolerance() -> None:
    figures = overlap(ball(13), ball(10), 1.0, 5.0)
    assert figures["dice"] == pytest.approx(2 * 10**3 / (13**3 + 10**3), abs=0.01)
    assert figures["nsd"] is not None and figures["nsd"] < 0.05
    assert figures["nsd_voxel"] == 1.0


def test_only_what_lies_in_the_box_counts() -> None:
    grid = Grid((48, 48, 48), (2.5, 2.5, 2.5), (-58.75, -58.75, -58.75))
    tumor, elsewhere = ball(15, 15, 2.5), ball(10, 38, 2.5)
    image = grid.image_from_array(np.where(tumor | elsewhere, 20.0, 0.0).astype(np.float32))
    mask = grid.image_from_array(tumor.astype(np.uint8))
    # Halfway on the network scale, so that the border on the finer grid lies between hot and cold voxels.
    segmenter = hot_finder(float(np.sinh(np.arcsinh(20.0) / 2)))
    box = Box((15 * 2.5 - 58.75, 0.0, 0.0), (45, 45, 45))
    figures = alignment(segmenter, image, mask, box)
    assert figures["dice"] is not None and figures["dice"] > 0.93
    assert figures["dice_voxels"] is not None and figures["dice_voxels"] > 0.93
    whole = alignment(segmenter, image, mask, Box((0.0, 0.0, 0.0), (110, 110, 110)))
    assert whole["dice"] is not None and whole["dice"] < figures["dice"] - 0.05
    nothing = alignment(segmenter, image, grid.empty_image(sitk.sitkUInt8), box)
    assert nothing == dict.fromkeys(ALIGNMENT_FIGURES)


def test_what_is_mirrored_beyond_the_scan_does_not_count_again() -> None:
    grid = Grid((48, 48, 48), (2.5, 2.5, 2.5), (-58.75, -58.75, -58.75))
    by_the_edge, unmarked = ball(12, 6, 2.5), ball(12, 24, 2.5)
    image = grid.image_from_array(np.where(by_the_edge | unmarked, 20.0, 0.0).astype(np.float32))
    segmenter = hot_finder(float(np.sinh(np.arcsinh(20.0) / 2)))
    box = Box((9 * 2.5 - 58.75, 0.0, 0.0), (110, 60, 60))
    figures = alignment(segmenter, image, grid.image_from_array(by_the_edge.astype(np.uint8)), box)
    # One of two is found: 2 * 1 / (1 + 2). With the mirror image it would be two of three, 0.8.
    assert figures["dice"] == pytest.approx(2 / 3, abs=0.06)
    assert figures["dice_voxels"] == pytest.approx(2 / 3, abs=0.02)


def test_large_voxels_limit_how_well_any_mask_can_agree() -> None:
    """Voxels of 2.5 mm keep nearly all of a ball found on the fine grid; voxels of 10 mm lose its border."""
    segmenter, box = hot_finder(float(np.sinh(np.arcsinh(20.0) / 2))), Box((0.0, 0.0, 0.0), (60, 60, 60))
    limits = []
    for voxel in (2.5, 10.0):
        n = round(120 / voxel)
        grid = Grid((n, n, n), (voxel,) * 3, (-60 + voxel / 2,) * 3)
        k, j, i = (voxel * (axis + 0.5) - 60 for axis in np.indices((n, n, n)))
        suv = np.where(k**2 + j**2 + i**2 <= 15**2, 20.0, 0.0).astype(np.float32)
        limits.append(voxel_limit(segmenter, grid.image_from_array(suv), box))
    # On the voxels of the scan, the mask equals the finding and agrees completely.
    assert all(limit["dice_voxels"] == 1.0 for limit in limits)
    assert limits[0]["dice"] > 0.95 and limits[0]["nsd"] > 0.98
    assert limits[1]["dice"] < limits[0]["dice"] - 0.02
    nothing = voxel_limit(segmenter, grid.empty_image(sitk.sitkFloat32), box)
    assert nothing == dict.fromkeys(ALIGNMENT_FIGURES)


def test_a_probability_has_its_border_between_voxels() -> None:
    grid = Grid((12, 12, 12), (10.0,) * 3, (-55.0,) * 3)
    k, j, i = (10 * axis - 55.0 for axis in np.indices((12, 12, 12)))
    on_network_scale = np.clip((22 - np.sqrt(k**2 + j**2 + i**2)) / 12, 0, 1).astype(np.float32)
    image = grid.image_from_array(np.sinh(on_network_scale * np.arcsinh(20.0)).astype(np.float32))
    segmenter, box = hot_finder(float(np.sinh(np.arcsinh(20.0) / 2))), Box((0.0, 0.0, 0.0), (60, 60, 60))
    probability = grid.image_from_array(on_network_scale)
    soft, hard = (alignment(segmenter, image, mask, box) for mask in (probability, probability > 0.5))
    assert soft["nsd"] is not None and hard["nsd"] is not None
    assert soft["nsd"] > hard["nsd"] + 0.05
    assert soft["dice_voxels"] == hard["dice_voxels"]


def figures_of(dice: float | None) -> dict[str, float | None]:
    return dict.fromkeys(ALIGNMENT_FIGURES, dice)


def test_means_are_over_masks_and_intervals_over_patients() -> None:
    # Patient A has three masks; a draw without A has the mean 0.5, a draw of A alone 0.8.
    patients = ["A", "A", "A", "B", "C", "D", "E", "E"]
    values = [0.8, 0.8, 0.8, 0.5, 0.5, 0.5, 0.5, None]
    found = mean_alignment(patients, [figures_of(value) for value in values])
    assert found["empty"] == 1
    assert found["dice"]["lesions"] == 7
    assert found["dice"]["mean"] == pytest.approx(4.4 / 7)
    low, high = found["nsd"]["interval"]
    assert low == pytest.approx(0.5)
    assert 4.4 / 7 < high <= 0.8
    few = mean_alignment(patients[:6], [figures_of(value) for value in values[:6]])
    assert few["dice"]["interval"] is None
    nothing = mean_alignment(["A"], [figures_of(None)])
    assert nothing["dice"] == {"mean": None, "interval": None, "lesions": 0}
    assert nothing["empty"] == 1


@pytest.fixture(scope="module")
def trained(without_curves: None, tiny_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("segmenter")
    (output / "settings.json").write_text(json.dumps(SETTINGS))
    options = ["--data", str(tiny_cases), "--output", str(output), "--config", str(output / "settings.json")]
    assert main(["train", "segmenter", "--quiet", *options]) == 0
    return output


def test_a_segmenter_learns_and_says_from_whom(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])
    assert lines[-1]["validation_dice"] > 0.6
    segmenter = load_segmenter(trained, "cpu")
    assert "P4" in {name[:2] for name in segmenter.training_cases}
    assert len(list((trained / "pictures").glob("*.png"))) == 2


def test_an_unfinished_or_damaged_segmenter_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="to its end first"):
        load_segmenter(tmp_path)
    (tmp_path / "segmenter.json").write_bytes((trained / "segmenter.json").read_bytes())
    (tmp_path / "segmenter.safetensors").write_bytes((trained / "segmenter.safetensors").read_bytes()[:-20])
    with pytest.raises(TrainingDataError, match="damaged"):
        load_segmenter(tmp_path)


def test_an_evaluation_refuses_a_segmenter_that_knows_its_patients(
    trained: Path, tiny_cases: Path, tiny_bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = next(name for name in load_segmenter(trained, "cpu").training_cases if name.startswith("P1-"))
    # The other scan of the same patient.
    other = "P1-b" if known == "P1-a" else "P1-a"
    command = ["evaluate", "--data", str(tiny_cases), "--output", str(tmp_path / "out"), "--cases", other]
    assert main([*command, "--model", str(tiny_bundle_folder), "--segmenter", str(trained)]) == 1
    assert f"segmenter was trained on the patients of {other}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
