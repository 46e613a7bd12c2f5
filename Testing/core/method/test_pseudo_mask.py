"""BA-PMG: the box follows the law of the paper, and the condition does not depend on the box's content."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import depth_inside, random_box, random_direction
from scipy import stats

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.method.pseudo_mask import BoxOffsets, expand_box, fill_box, latent_condition, tight_box
from TumorGenCore.method.vae import PetVAE

LAW = BoxOffsets(alpha=0.2, least_mm=4.0)
DIMENSIONS = (100.0, 150.0, 50.0)


@pytest.mark.parametrize("case", range(10))
def test_the_tight_box_touches_the_outermost_voxels_on_every_face(case: int) -> None:
    rng = np.random.default_rng(case)
    points, axes = rng.normal(0, 20, (60, 3)) + rng.uniform(-99, 99, 3), random_direction(rng)
    box = tight_box(points, axes, voxel_mm=3.0)
    depth = depth_inside(points, box)
    assert depth.min() == pytest.approx(1.5)  # half a voxel: no voxel is outside or too far inside
    for normal in axes.T:
        along = (points - np.asarray(box.center_lps)) @ normal
        assert along.max() == pytest.approx(-along.min())
    np.testing.assert_allclose(box.axes, axes)


def test_one_voxel_has_a_box_of_one_voxel() -> None:
    box = tight_box(np.array([[1.0, 2.0, 3.0]]), np.eye(3), voxel_mm=2.0)
    assert box.center_lps == (1, 2, 3)
    assert box.size_mm == (2, 2, 2)


def test_a_mask_without_tumor_has_no_box() -> None:
    with pytest.raises(TrainingDataError, match="without a tumor voxel"):
        tight_box(np.zeros((0, 3)), np.eye(3), voxel_mm=2.0)


def _offsets(law: BoxOffsets, draws: int) -> np.ndarray:
    """(draws, 2, 3): outward shift of each low and high face along the box's axes, mm."""
    rng = np.random.default_rng(7)
    tight = random_box(rng, np.zeros(3))
    axes, moved = np.asarray(tight.axes), []
    for _ in range(draws):
        box = expand_box(tight, DIMENSIONS, law, rng)
        assert box.axes == tight.axes
        shift = (np.asarray(box.center_lps) - np.asarray(tight.center_lps)) @ axes
        grown = (np.asarray(box.size_mm) - np.asarray(tight.size_mm)) / 2
        moved.append([grown - shift, grown + shift])
    return np.array(moved)


def test_each_face_moves_by_its_own_uniform_offset() -> None:
    offsets = _offsets(LAW, 800)
    for face in range(2):
        for axis, dimension in enumerate(DIMENSIONS):
            law = stats.uniform(LAW.least_mm, LAW.alpha * dimension)
            assert offsets[:, face, axis].min() >= LAW.least_mm - 1e-9
            assert offsets[:, face, axis].max() <= LAW.least_mm + LAW.alpha * dimension + 1e-9
            assert stats.kstest(offsets[:, face, axis], law.cdf).pvalue > 0.01
    correlation = np.corrcoef(offsets.reshape(-1, 6).T) - np.eye(6)
    assert np.abs(correlation).max() < 0.15


def test_without_alpha_only_the_least_margin_remains() -> None:
    np.testing.assert_allclose(_offsets(BoxOffsets(alpha=0.0, least_mm=3.0), 3), 3.0)


def _patch_and_inside(size: tuple[int, int, int] = (16, 32, 48)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    patch = torch.rand(2, 1, *size, generator=generator)
    inside = torch.zeros(2, 1, *size)
    inside[0, :, 4:12, 7:20, 11:30] = 1
    inside[0, :, 4, 7:20, 11:30] = 0.1  # voxels that a face cuts
    inside[1, :, 0:9, 15:32, 30:48] = 1  # the box reaches past the patch
    return patch, inside


def _with_other_content(patch: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    other = 5 * torch.randn(patch.shape, generator=torch.Generator().manual_seed(1))
    return torch.where(inside > 0, other, patch)


def test_the_filling_does_not_depend_on_what_the_box_holds() -> None:
    patch, inside = _patch_and_inside()
    assert torch.equal(fill_box(patch, inside), fill_box(_with_other_content(patch, inside), inside))


def test_the_filling_depends_on_what_surrounds_the_box() -> None:
    patch, inside = _patch_and_inside()
    filled = fill_box(torch.where(inside > 0, patch, patch + 1), inside)
    assert torch.all((filled - fill_box(patch, inside))[inside > 0] > 0.5)


def test_outside_nothing_is_filled() -> None:
    patch, inside = _patch_and_inside()
    assert torch.equal(fill_box(patch, inside)[inside == 0], patch[inside == 0])


def test_the_filling_stays_within_the_range_of_its_surroundings() -> None:
    patch, inside = _patch_and_inside()
    filled = fill_box(patch, inside)
    for n in range(2):
        known = patch[n][inside[n] == 0]
        assert filled[n].min() >= known.min() - 1e-5
        assert filled[n].max() <= known.max() + 1e-5


@pytest.mark.parametrize("value", [-1.0, 0.3, 7.0])
def test_a_constant_stays_constant(value: float) -> None:
    patch, inside = _patch_and_inside()
    filled = fill_box(_with_other_content(torch.full_like(patch, value), inside), inside)
    torch.testing.assert_close(filled, torch.full_like(patch, value), rtol=1e-5, atol=1e-5)


def test_a_box_that_covers_the_patch_leaves_nothing_of_it() -> None:
    patch, _ = _patch_and_inside()
    assert torch.equal(fill_box(patch, torch.ones_like(patch)), torch.zeros_like(patch))


@pytest.fixture(scope="module")
def vae() -> PetVAE:
    torch.manual_seed(0)
    return PetVAE(channels=(8, 16), num_res_blocks=(1, 1), norm_num_groups=4).eval()


def test_the_condition_knows_nothing_of_what_the_box_holds(vae: PetVAE) -> None:
    patch, inside = _patch_and_inside()
    with torch.inference_mode():
        known, same = (
            latent_condition(vae.encode, some, inside) for some in (patch, _with_other_content(patch, inside))
        )
    assert known.shape == (2, 4, 4, 8, 12)
    assert torch.equal(known, same)
