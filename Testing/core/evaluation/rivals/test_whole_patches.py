"""How whole patches come into a box: size, place, level and attempts, with patches that are known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from TumorGenCore.evaluation.rivals.whole_patches import WholePatches
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings

SETTINGS = PatchSettings(spacing_mm=2.5, context_mm=10.0, multiple=8)
HOST_SUV, TISSUE_SUV, TUMOR_SUV = 1.5, 0.5, 9.0


def a_site(edge_mm: float) -> Site:
    """A box in even tissue."""
    grid = Grid((50, 50, 50), (3.0, 3.0, 3.0), (-75.0, -75.0, -75.0))
    image = grid.image_from_array(np.full((50, 50, 50), HOST_SUV, np.float32))
    return Site("even", "healthy", image, Box((0.0, 0.0, 0.0), (edge_mm,) * 3))


class Ball:
    """Makes patches with a hot ball of a third of their edge in even tissue, and records their edges."""

    def __init__(self, empty: int = 0) -> None:
        self.empty, self.edges = empty, []

    def __call__(self, edge: int, draws: torch.Generator):
        self.edges.append(edge)
        distance = np.linalg.norm(np.indices((edge,) * 3) - (edge - 1) / 2, axis=0)
        mask = distance < edge / 6
        suv = np.where(mask, TUMOR_SUV, TISSUE_SUV).astype(np.float32)
        return suv, mask & (len(self.edges) > self.empty)


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def test_the_tumor_keeps_its_uptake_and_the_tissue_gets_the_level_of_the_host() -> None:
    site = a_site(60.0)
    image, mask = (voxels(part) for part in WholePatches(Ball(), [32], SETTINGS)(site, 0))
    assert mask.sum() > 20
    assert np.median(image[mask > 0]) == pytest.approx(TUMOR_SUV, rel=0.05)
    assert np.percentile(image[mask == 0], 2) == pytest.approx(HOST_SUV, rel=0.1)
    assert np.median(image[mask == 0]) == pytest.approx(HOST_SUV, rel=0.01)


@pytest.mark.parametrize(("edge_mm", "patch"), [(25.0, 32), (60.0, 32), (65.0, 48), (140.0, 48)])
def test_the_patch_is_the_smallest_that_holds_box_and_context(edge_mm, patch) -> None:
    ball = Ball()
    WholePatches(ball, [48, 32], SETTINGS)(a_site(edge_mm), 0)
    assert ball.edges == [patch]


def test_a_tumor_that_is_larger_than_the_box_is_made_to_fit() -> None:
    """The ball of 27 mm would fill a box of 25 mm."""
    site = a_site(25.0)
    mask = voxels(WholePatches(Ball(), [32], SETTINGS)(site, 0)[1])
    assert 0 < mask.sum() * 3.0**3 < 4 / 3 * np.pi * 10**3


def test_a_patch_without_a_tumor_is_made_again_four_times_at_most() -> None:
    late, never = Ball(empty=3), Ball(empty=99)
    site = a_site(60.0)
    assert voxels(WholePatches(late, [32], SETTINGS)(site, 0)[1]).any()
    image, mask = (voxels(part) for part in WholePatches(never, [32], SETTINGS)(site, 0))
    assert len(late.edges) == len(never.edges) == 4
    assert not mask.any()
    assert np.array_equal(image, voxels(site.image))
