"""The measures of autoPET, and lesions of a library's shapes in healthy tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shape_libraries import SPACING_MM, ball
from small_cases import write_three_cases

from TumorGenCore.evaluation.studies.usefulness_scans import SCAN_FIGURES, scan_figures, searched_scans, volume_figures
from TumorGenCore.evaluation.themes.detection import SearchedScan
from TumorGenCore.training.config import SegmenterRun
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.volumes.patch import PatchSettings

EMPTY = np.zeros((20, 20, 20), dtype=bool)


def cube(at: int, edge: int = 3) -> np.ndarray:
    mask = EMPTY.copy()
    mask[at : at + edge, at : at + edge, at : at + edge] = True
    return mask


TRUTH, IGNORED = cube(1) | cube(8), cube(15)
SCAN = SearchedScan("x", "X", "own", EMPTY.astype(np.float32), TRUTH, IGNORED, 0.5)


@pytest.mark.parametrize(
    ("found", "false_positive_ml", "false_negative_ml"),
    [
        (TRUTH, 0, 0),
        (EMPTY, 0, 27),
        (cube(1, 1), 0, 13.5),  # A touch finds a whole tumor.
        (cube(3, 4), 0, 13.5),  # It overlaps a corner only, so the rest of it is not false.
        (TRUTH | cube(5, 2), 4, 0),  # It touches both tumors at corners, which does not connect pieces.
        (cube(5, 2) | cube(16, 2), 4, 27),  # What overlaps ignored voxels is not false.
    ],
)
def test_whole_pieces_without_overlap_count(found, false_positive_ml, false_negative_ml) -> None:
    assert volume_figures(found, SCAN) == {
        "false_positive_ml": false_positive_ml,
        "false_negative_ml": false_negative_ml,
    }
    assert tuple(scan_figures(found, SCAN)) == SCAN_FIGURES


def test_voxels_that_share_an_edge_are_one_piece() -> None:
    edge = EMPTY.copy()
    edge[4, 4, 3] = True  # Shares an edge with the corner voxel (3, 3, 3) of the first tumor.
    assert volume_figures(cube(1) | edge, SCAN)["false_positive_ml"] == 0


def test_shapes_lie_in_healthy_tissue_at_about_their_size(tmp_path: Path) -> None:
    (case,) = load_cases(write_three_cases(tmp_path), ["A"])
    run = SegmenterRun(patch=PatchSettings(spacing_mm=2.5), patch_size=48)
    shape = Shape("fdg_lung_tumours", "P", ball(12.0), SPACING_MM)
    scans = searched_scans([case], run, small=0, shaped=3, shapes=[shape])
    assert [scan.kind for scan in scans] == ["own", *["shape"] * (len(scans) - 1)] and len(scans) > 2
    for scan in scans[1:]:
        assert scan.patient == "A" and not (scan.truth & scan.ignored).any()
        assert 0.2 < scan.volume_ml / shape.volume_ml < 2
        assert np.percentile(scan.suv[scan.truth], 95) > 2
    assert len(searched_scans([case], run, small=0, shaped=3, shapes=[])) == 1
