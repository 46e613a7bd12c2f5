"""The window around the lungs: 200 x 200 x 100 voxels, inside the scan, by maps of either TotalSegmentator version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.lung_window import lung_map_files, lung_window
from TumorGenCore.volumes.geometry import Grid

GRID = Grid((300, 240, 150), (2.0, 2.0, 3.0), (-300.0, -240.0, 0.0))
#: Lungs of the tests: bounding box (k, j, i) on ``GRID``.
LEFT, RIGHT = np.s_[60:100, 100:160, 160:200], np.s_[60:100, 100:160, 100:150]


def write_map(path: Path, parts: dict[int, tuple[slice, ...]], grid: Grid = GRID) -> Path:
    labels = np.zeros(grid.size_ijk[::-1], dtype=np.uint8)
    for label, part in parts.items():
        labels[part] = label
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(grid.image_from_array(labels), str(path), useCompression=True)
    return path


def bounds(window: tuple[slice, ...]) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in window]


CENTERED = [(30, 130), (30, 230), (50, 250)]


@pytest.mark.parametrize(
    "parts",
    [
        # Version 2: 10 to 14 are the lobes, 15 is the esophagus. Version 1: 13 to 17; 10 is the pancreas.
        {10: LEFT, 12: RIGHT, 15: np.s_[10:60, 128:132, 148:152], 5: np.s_[20:40, 60:120, 100:200]},
        {13: LEFT, 15: RIGHT, 10: np.s_[10:14, 128:140, 148:170], 5: np.s_[20:40, 60:120, 100:200]},
    ],
    ids=["version 2", "version 1"],
)
def test_the_window_is_centered_on_the_lobes_of_either_version(tmp_path, parts):
    window, short = lung_window([write_map(tmp_path / "A.nii.gz", parts)], GRID)
    assert bounds(window) == CENTERED
    assert short == ()


def test_a_folder_with_a_map_for_each_lobe_does_as_well(tmp_path):
    write_map(tmp_path / "A" / "lung_upper_lobe_left.nii.gz", {1: LEFT})
    write_map(tmp_path / "A" / "lung_lower_lobe_right.nii.gz", {1: RIGHT})
    write_map(tmp_path / "A" / "lung_vessels.nii.gz", {1: np.s_[0:4, 0:4, 0:4]})
    files = lung_map_files(tmp_path, "A")
    assert [path.name for path in files] == ["lung_lower_lobe_right.nii.gz", "lung_upper_lobe_left.nii.gz"]
    assert bounds(lung_window(files, GRID)[0]) == CENTERED
    write_map(tmp_path / "A.nii.gz", {10: LEFT})
    assert lung_map_files(tmp_path, "A") == [tmp_path / "A.nii.gz"]
    assert lung_map_files(tmp_path, "B") == []


def test_a_map_on_the_grid_of_the_ct_gives_the_same_window(tmp_path):
    ct = Grid((150, 120, 150), (4.0, 4.0, 3.0), (-299.0, -239.0, 0.0))
    parts = {10: np.s_[60:100, 50:80, 80:100], 12: np.s_[60:100, 50:80, 50:75]}
    assert bounds(lung_window([write_map(tmp_path / "A.nii.gz", parts, ct)], GRID)[0]) == CENTERED


def test_a_window_that_would_leave_the_scan_is_moved_inside(tmp_path):
    path = write_map(tmp_path / "A.nii.gz", {10: np.s_[120:150, 0:40, 260:300]})
    assert bounds(lung_window([path], GRID)[0]) == [(50, 150), (0, 200), (100, 300)]


def test_a_shorter_scan_is_kept_whole_on_that_axis_and_it_is_said(tmp_path):
    small = Grid((180, 240, 80), (2.0, 2.0, 3.0))
    path = write_map(tmp_path / "A.nii.gz", {10: np.s_[20:40, 100:160, 60:100]}, small)
    window, short = lung_window([path], small)
    assert bounds(window) == [(0, 80), (30, 230), (0, 180)]
    assert [line.split(",")[0] for line in short] == [
        "The scan has 80 voxels along k",
        "The scan has 180 voxels along i",
    ]


def test_the_short_edge_lies_along_the_body_in_sagittal_slices_too(tmp_path):
    sagittal = Grid((150, 240, 300), (3.0, 2.0, 2.0), direction=((0, 0, 1), (0, 1, 0), (-1, 0, 0)))
    path = write_map(tmp_path / "A.nii.gz", {10: np.s_[100:200, 100:160, 60:100]}, sagittal)
    assert bounds(lung_window([path], sagittal)[0]) == [(50, 250), (30, 230), (30, 130)]


@pytest.mark.parametrize("where", ["without lungs", "elsewhere"])
def test_a_map_without_lungs_in_the_scan_is_refused(tmp_path, where):
    far = Grid((20, 20, 20), (2.0, 2.0, 3.0), (5000.0, 0.0, 0.0))
    parts = {5: np.s_[:]} if where == "without lungs" else {10: np.s_[:]}
    path = write_map(tmp_path / "A.nii.gz", parts, GRID if where == "without lungs" else far)
    with pytest.raises(TrainingDataError, match="shows no lung within the PET"):
        lung_window([path], GRID)
