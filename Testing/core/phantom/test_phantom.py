"""The digital phantom: realistic uptake at the demonstration sites, reproducible, and valid values."""

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.phantom.phantom import PHANTOM_SITES, make_phantom, phantom_box
from TumorGenCore.volumes.geometry import Box, Grid

SPACING_MM = (8.0, 8.0, 8.0)


@pytest.fixture(scope="module", params=[0, 1, 5])
def phantom(request) -> sitk.Image:
    return make_phantom(seed=request.param, spacing_mm=SPACING_MM)


def values_in(image: sitk.Image, box: Box) -> np.ndarray:
    """Voxel values whose centers lie in the box."""
    grid = Grid.from_image(image)
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size_ijk], indexing="ij"), axis=-1)
    inside = box.contains(grid.index_to_lps(ijk)).transpose(2, 1, 0)
    return sitk.GetArrayViewFromImage(image)[inside]


def test_values_are_finite_and_never_negative(phantom):
    values = sitk.GetArrayViewFromImage(phantom)
    assert values.dtype == np.float32
    assert np.all(np.isfinite(values))
    assert values.min() >= 0


@pytest.mark.parametrize(
    ("place", "center_lps", "edge_mm", "low", "high"),
    [
        ("liver", PHANTOM_SITES["liver"][0], 40, 1.5, 3.0),
        ("right lung", PHANTOM_SITES["right lung"][0], 40, 0.25, 0.75),
        ("left lung", PHANTOM_SITES["left lung"][0], 35, 0.25, 0.75),
        ("mediastinum", PHANTOM_SITES["mediastinum"][0], 35, 0.7, 1.8),
        ("lumbar spine", PHANTOM_SITES["lumbar spine"][0], 30, 1.1, 2.4),
        ("thigh muscle", PHANTOM_SITES["left thigh"][0], 40, 0.35, 0.9),
        ("brain", (0, 6, 775), 60, 4.0, 11.0),
        ("bladder", (0, -18, 28), 24, 12.0, 45.0),
        ("left kidney", (66, 46, 238), 30, 1.8, 8.0),
        ("spleen", (104, 50, 325), 24, 1.2, 2.6),
    ],
)
def test_organs_take_up_what_they_should(phantom, place, center_lps, edge_mm, low, high):
    mean = values_in(phantom, Box(center_lps, (edge_mm,) * 3)).mean()
    assert low < mean < high, f"{place}: mean SUV {mean:.2f}"


@pytest.mark.parametrize("site", PHANTOM_SITES)
def test_boxes_lie_inside_the_body(phantom, site):
    box = phantom_box(site)
    assert 35 <= min(box.size_mm) <= max(box.size_mm) <= 50
    assert np.mean(values_in(phantom, box) > 0.1) > 0.97  # the rest: air in trachea and bronchi


def test_air_holds_only_faint_noise(phantom):
    air = sitk.GetArrayViewFromImage(phantom)[:, :8, :]
    assert 0 < air.mean() < 0.02
    assert air.max() < 0.1


def test_same_seed_gives_the_same_voxels_and_another_seed_another_body():
    first, again, other = (
        sitk.GetArrayFromImage(make_phantom(seed, spacing_mm=(12.0, 12.0, 12.0))) for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_spacing_changes_the_grid_but_not_the_body():
    coarse, fine = (make_phantom(2, spacing_mm=(s, s, s), noise=0.0) for s in (10.0, 7.0))
    box = phantom_box("liver")
    assert coarse.GetSize() != fine.GetSize()
    assert values_in(coarse, box).mean() == pytest.approx(values_in(fine, box).mean(), rel=0.05)


def test_wrong_input_is_named():
    with pytest.raises(InvalidBoxError, match="elbow"):
        phantom_box("elbow")
    with pytest.raises(UnsupportedVolumeError, match="spacing"):
        make_phantom(spacing_mm=(0.0, 4.0, 4.0))
