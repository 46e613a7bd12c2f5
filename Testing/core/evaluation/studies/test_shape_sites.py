"""Places for shapes: boxes as BA-PMG draws them, in healthy tissue, on the voxels of the shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from shape_libraries import SPACING_MM, ball, write_balls
from small_cases import write_patients

from TumorGenCore.evaluation.studies.shape_sites import Host, drawn_box, field_shapes, scan_hosts, shape_site
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.patch import PatchSettings

SHAPE = Shape("fdg_lung_tumours", "P", ball(12.0), SPACING_MM)
PATCH = PatchSettings()


def host() -> Host:
    """Tissue of SUV 1 in the left half, 5 elsewhere."""
    grid = Grid((40, 40, 40), (5.0, 5.0, 5.0), (-100.0, -100.0, -100.0))
    tissue = np.zeros((40, 40, 40), dtype=bool)
    tissue[:, :, 20:] = True
    return Host("half", grid.image_from_array(np.where(tissue, 1.0, 5.0).astype(np.float32)), tissue)


@pytest.mark.parametrize("seed", range(8))
def test_a_box_holds_its_shape_with_the_least_margin_and_no_more_than_training_gives(seed) -> None:
    box = drawn_box(SHAPE, PATCH, np.random.default_rng(seed))
    points = box.to_box(SHAPE.points_lps)
    margins = np.asarray(box.size_mm) / 2 - np.stack([-points.min(axis=0), points.max(axis=0)])
    half_voxel = np.mean(SPACING_MM) / 2
    assert margins.min() >= 4 + half_voxel - 1e-9
    # The patch that holds 27 mm, 4 mm on each side and the context of 20 mm has 80 mm.
    assert margins.max() <= 4 + half_voxel + 0.18 * 80


@pytest.mark.parametrize("seed", range(4))
def test_shape_and_box_move_together_into_the_tissue(seed) -> None:
    rng = np.random.default_rng(seed)
    box = drawn_box(SHAPE, PATCH, rng)
    site = shape_site(SHAPE, box, host(), rng)
    grid = Grid.from_image(site.image)
    assert grid.spacing_mm == SPACING_MM and site.box.size_mm == box.size_mm
    assert site.real.sum() == SHAPE.mask.sum()
    points = grid.index_to_lps(np.argwhere(site.real)[:, ::-1])
    assert site.box.contains(points).all()
    np.testing.assert_allclose(site.box.to_box(points), box.to_box(SHAPE.points_lps), atol=1e-6)
    assert np.mean(sitk.GetArrayFromImage(site.image)[site.box.mask(grid)] < 1.5) > 0.6


def test_healthy_tissue_comes_from_scans_that_are_not_held_out(tmp_path: Path) -> None:
    data = write_patients(tmp_path, ["A", "B", "C", "W"], healthy=["W"])
    assert {some.name for some in scan_hosts(data, ["B"], 9)} == {"A", "C"}
    (one,) = scan_hosts(data, [], 1)
    suv = sitk.GetArrayFromImage(one.image)
    assert one.tissue.any() and suv[one.tissue].max() < 3
    assert list(scan_hosts(tmp_path / "shapes", [], 1)) == []


def test_only_sets_of_tumors_of_usual_sizes_are_read(tmp_path: Path) -> None:
    write_balls(tmp_path / "shapes", "fdg_lung_tumours", 8)
    write_balls(tmp_path / "shapes", "lidc_nodules", 8)
    found = field_shapes(tmp_path / "shapes", "all")
    assert len(found["fdg_lung_tumours"]) == 8 and found["fdg_breast_tumours"] == []
    assert all(1 <= shape.volume_ml <= 150 for shape in found["fdg_lung_tumours"])
