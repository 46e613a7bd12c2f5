"""Detection in scans with known tumors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_cases import write_three_cases

from TumorGenCore.evaluation.themes.detection import SearchedScan, detection_figures, find_tumors, made_small, own_size
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.config import SegmenterRun
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.volumes.patch import PatchSettings


def ball(center: tuple[int, int, int], radius: float, size: int = 40) -> np.ndarray:
    k, j, i = np.indices((size,) * 3)
    return (k - center[0]) ** 2 + (j - center[1]) ** 2 + (i - center[2]) ** 2 <= radius**2


A, B, ELSEWHERE, IGNORED = ball((10, 10, 10), 5), ball((28, 28, 28), 4), ball((10, 30, 10), 4), ball((30, 8, 30), 4)
SCAN = SearchedScan("x", "X", "own", np.zeros(A.shape, np.float32), A | B, IGNORED, 0.0156)


@pytest.mark.parametrize(
    ("found", "sensitivity", "false_positives"),
    [(A | B, 1.0, 0), (A, 0.5, 0), (A | ELSEWHERE, 0.5, 1), (np.zeros_like(A), 0.0, 0), (A | B | IGNORED, 1.0, 0)],
)
def test_what_is_found_missed_and_false_is_counted(found, sensitivity, false_positives) -> None:
    figures = detection_figures(found, SCAN)
    assert (figures["sensitivity"], figures["false_positives"]) == (sensitivity, false_positives)
    kept = found & ~IGNORED
    assert figures["dice"] == pytest.approx(2 * (kept & SCAN.truth).sum() / (kept.sum() + SCAN.truth.sum()))


def test_specks_are_no_findings_and_a_touch_is_no_detection() -> None:
    speck = ball((5, 35, 35), 1)
    touch = A & ball((10, 10, 15), 1)
    figures = detection_figures(speck | touch, SCAN)
    assert (figures["sensitivity"], figures["false_positives"]) == (0.0, 0.0)


def test_a_whole_scan_is_searched_in_windows() -> None:
    run = SegmenterRun(patch_size=16)

    class Hot(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.at = torch.nn.Parameter(run.scale.to_network(torch.tensor([4.0])))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[2:] == (16, 16, 16)
            return x - self.at

    suv = np.where(A | B, 8.0, 1.0).astype(np.float32)
    np.testing.assert_array_equal(find_tumors(Hot(), run, suv), A | B)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return load_cases(write_three_cases(tmp_path_factory.mktemp("scans")))


def test_a_scan_of_its_own_size_keeps_its_tumor_s_volume(cases) -> None:
    scan = own_size(cases[0], 2.5)
    assert scan.volume_ml == pytest.approx(4 / 3 * np.pi * 12**3 / 1000, rel=0.1)
    assert scan.suv[scan.truth].mean() > 6
    assert min(scan.suv.shape) >= 64


def test_lesions_are_made_small_beside_the_patient_s_own(cases) -> None:
    scans = made_small(cases[0], PatchSettings(spacing_mm=2.5), BoxOffsets(0.1, 2.0), 48, 6, 0)
    assert {scan.patient for scan in scans} == {"A"} and {scan.kind for scan in scans} == {"small"}
    assert len({scan.volume_ml for scan in scans}) == len(scans) >= 4
    for scan in scans:
        assert 0.2 < scan.volume_ml < 40
        assert np.percentile(scan.suv[scan.truth], 95) > 2
        assert not (scan.truth & scan.ignored).any()
