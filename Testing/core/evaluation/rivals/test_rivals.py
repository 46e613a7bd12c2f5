"""The common behavior of all rivals, and the special behavior of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage
from small_cases import write_case

from TumorGenCore import TumorGenerator, TumorRequest
from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.rivals.blended_latents import BlendedLatents
from TumorGenCore.evaluation.rivals.copy_paste import CopyPaste
from TumorGenCore.evaluation.rivals.donors import Donors
from TumorGenCore.evaluation.rivals.gan import GanPatches
from TumorGenCore.evaluation.rivals.host import Rival, host_of, random_of, room_mm
from TumorGenCore.evaluation.rivals.latent_diffusion import LatentDiffusion
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.rivals.rule_based import RuleBased, bent_ellipsoid
from TumorGenCore.evaluation.rivals.whole_diffusion import DiffusionPatches
from TumorGenCore.evaluation.rivals.whole_patches import WholePatches
from TumorGenCore.evaluation.sites import Site, sites_of
from TumorGenCore.training.config import RivalRun
from TumorGenCore.training.data.cases import Case, load_cases
from TumorGenCore.training.stages.rival import STAGES, TrainedRival
from TumorGenCore.training.stages.rival_stages import estimate_velocity, estimate_whole_velocity, without_condition
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import PatchSettings, WorkingPatch

SETTINGS = PatchSettings(spacing_mm=2.5, context_mm=10.0, multiple=8)


@pytest.fixture(scope="module")
def cases(tiny_cases: Path) -> list[Case]:
    return load_cases(tiny_cases)


@pytest.fixture(scope="module")
def sites(cases: list[Case]) -> dict[str, Site]:
    """A site over the hot ball of P2, and one in its healthy tissue."""
    return {site.group: site for site in sites_of(next(case for case in cases if case.name == "P2"))}


@pytest.fixture(scope="module")
def donors(cases: list[Case]) -> Donors:
    return Donors([case for case in cases if case.name != "P2"])


def untrained(kind: str) -> TrainedRival:
    """An untrained network with the shapes of the tiny bundle."""
    torch.manual_seed(1)
    small = (
        {"channels": 8, "norm_num_groups": 2} if kind == "gan" else {"channels": [8, 16, 16], "num_head_channels": 8}
    )
    network = STAGES[kind].network_kind(**small)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return TrainedRival(network.eval(), RivalRun(kind=kind), [0.0] * 4, [1.0] * 4, (), "")


@pytest.fixture(scope="module")
def rivals(donors: Donors, tiny_bundle_folder: Path) -> dict[str, Rival]:
    generator = TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")
    return {
        "copy-paste": CopyPaste(donors, SETTINGS),
        "rules": RuleBased((np.log(8.0), 0.3), SETTINGS),
        "DDPM": LatentDiffusion(generator, untrained("diffusion"), donors.shape, "ddpm"),
        "DDIM": LatentDiffusion(generator, untrained("diffusion"), donors.shape, "ddim"),
        "blended": BlendedLatents(generator, untrained("unconditional")),
        "GAN": WholePatches(GanPatches(generator, untrained("gan")), [16, 32], generator.bundle.patch),
        "whole": WholePatches(
            DiffusionPatches(generator, untrained("whole-diffusion")), [16, 32], generator.bundle.patch
        ),
        "own": Own(generator, TumorRequest(2, "heun")),
        "redrawn": Own(generator, TumorRequest(least_quality=1.0)),
    }


NAMES = ("copy-paste", "rules", "DDPM", "DDIM", "blended", "GAN", "whole", "own", "redrawn")


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def inside(box: Box, image: sitk.Image) -> np.ndarray:
    grid = Grid.from_image(image)
    k, j, i = np.indices(grid.size_ijk[::-1])
    return box.contains(grid.index_to_lps(np.stack([i, j, k], axis=-1)))


@pytest.mark.parametrize("name", NAMES)
def test_only_the_box_changes_and_the_seed_decides(name, rivals, sites) -> None:
    site = sites["healthy"]
    (image, mask), (again, mask_again), (other, _) = (rivals[name](site, seed) for seed in (0, 0, 1))
    changed = voxels(image) != voxels(site.image)
    within = inside(site.box, site.image)
    assert changed.any()
    assert not changed[~within].any()
    assert not voxels(mask)[~within].any()
    assert Grid.from_image(image) == Grid.from_image(mask) == Grid.from_image(site.image)
    assert voxels(image).min() >= 0
    assert np.array_equal(voxels(image), voxels(again)) and np.array_equal(voxels(mask), voxels(mask_again))
    assert not np.array_equal(voxels(image), voxels(other))


@pytest.mark.parametrize("name", ["copy-paste", "rules"])
def test_a_paste_is_hot_where_its_mask_is_and_the_old_tumor_is_gone(name, rivals, sites) -> None:
    for group, site in sites.items():
        for seed in range(3):
            image, mask = (voxels(part) for part in rivals[name](site, seed))
            assert mask.sum() > 3
            away = inside(site.box, site.image) & (ndimage.distance_transform_edt(mask == 0, sampling=4.0) > 9)
            assert np.percentile(image[mask > 0], 95) > 2.5, (group, seed)
            # Of the sharp ball of SUV 8, only traces of its edge remain, which come from resampling.
            assert image[away].max(initial=0) < 4.0, (group, seed)
            assert image[away].mean() < 1.2, (group, seed)


def test_a_pasted_tumor_keeps_its_own_uptake(donors, sites) -> None:
    """The donors are balls of SUV 8; a box that is large enough leaves them unchanged."""
    site = sites["healthy"]
    wide = Site("wide", "healthy", site.image, Box((0.0, 0.0, 0.0), (70.0, 70.0, 70.0)))
    image, mask = (voxels(part) for part in CopyPaste(donors, SETTINGS)(wide, 0))
    assert np.percentile(image[mask > 0], 95) == pytest.approx(8, rel=0.1)
    # The ball may grow to 1.3 times its 24 mm.
    volume_mm3 = mask.sum() * 4.0**3
    assert volume_mm3 <= 4 / 3 * np.pi * (1.4 * 12) ** 3


def test_donors_fit_the_room_in_the_box_wherever_they_lie(donors) -> None:
    patch = WorkingPatch.around(Box((0.0, 0.0, 0.0), (36.0, 44.0, 60.0)), SETTINGS)
    centers = []
    for seed in range(8):
        suv, mask = donors.fitted(np.random.default_rng(seed), patch)
        points = (np.argwhere(mask)[:, ::-1] - (np.asarray(mask.shape[::-1]) - 1) / 2) * 2.5
        assert (np.abs(points) <= room_mm(patch) / 2 + 2.5).all()
        assert suv[mask].mean() > 3
        centers.append(points.mean(axis=0))
    assert np.std(centers, axis=0).max() > 3


def test_donors_know_how_hot_tumors_are(donors) -> None:
    mean, deviation = donors.uptake()
    assert mean == pytest.approx(np.log(8.05), abs=0.05)
    assert deviation < 0.05


def test_without_a_tumor_to_give_there_is_no_copy_paste(tmp_path) -> None:
    write_case(tmp_path, "P1", None)
    with pytest.raises(TrainingDataError, match="copy-paste"):
        Donors(load_cases(tmp_path))


def test_ellipsoids_stay_in_the_box_in_one_piece_and_differ() -> None:
    patch = WorkingPatch.around(Box((0.0, 0.0, 0.0), (50.0, 60.0, 70.0)), SETTINGS)
    masks = [bent_ellipsoid(np.random.default_rng(seed), patch) for seed in range(6)]
    for mask in masks:
        assert mask.sum() > 50
        assert not mask[patch.box_coverage() < 0.5].any()
        labels, _ = ndimage.label(mask)
        assert np.bincount(labels.ravel())[1:].max() > 0.95 * mask.sum()
    assert all(not np.array_equal(masks[0], other) for other in masks[1:])


def test_uptake_by_rule_follows_its_law(sites) -> None:
    """In a wide box the blur hardly lowers the uptake of the tumors."""
    wide = Site("wide", "healthy", sites["healthy"].image, Box((0.0, 0.0, 0.0), (80.0, 80.0, 80.0)))
    rival = RuleBased((np.log(10.0), 0.01), SETTINGS)
    means = []
    for seed in range(3):
        image, mask = (voxels(part) for part in rival(wide, seed))
        means.append(image[ndimage.binary_erosion(mask > 0, iterations=2)].mean())
    assert np.mean(means) == pytest.approx(10, rel=0.15)


def test_the_tissue_of_a_host_has_no_tumor_and_is_the_scan_elsewhere(sites) -> None:
    host = host_of(sites["tumor"], SETTINGS)
    assert host.suv.max() > 7
    assert host.tissue.max() < 2
    far = host.placed.patch.box_coverage() == 0
    assert np.array_equal(host.tissue[far], host.suv[far])
    healthy = host_of(sites["healthy"], SETTINGS)
    assert np.array_equal(healthy.tissue, healthy.suv)


def test_mask_first_diffusion_returns_the_mask_that_it_was_given(rivals, donors, sites) -> None:
    site = sites["healthy"]
    rival = rivals["DDIM"]
    patch = WorkingPatch.around(site.box, rival.generator.bundle.patch)
    given = donors.shape(random_of(site, 5), patch)
    native, region = patch.to_native(given.astype(np.float32), Grid.from_image(site.image), patch.box)
    returned = voxels(rival(site, 5)[1])
    assert given.any()
    assert np.array_equal(returned[region] > 0, native > 0.5)


def test_the_condition_reaches_the_diffusion_and_not_the_blended_latents(tiny_bundle_folder, donors, sites) -> None:
    """Every step restores the known latents; the blended network must not see anything else."""
    network = untrained("diffusion").network
    x, z_m, box = torch.randn(1, 5, 4, 4, 4), torch.randn(1, 4, 4, 4, 4), torch.ones(1, 1, 4, 4, 4)
    level = torch.tensor([20])
    with torch.inference_mode():
        here, there = (estimate_velocity(network, x[:, :4], x[:, 4:], z, box, level) for z in (z_m, z_m + 1))
        assert here.shape == (1, 4, 4, 4, 4)
        assert not torch.allclose(here, there)
        t = torch.tensor([0.4])
        here, there = (without_condition(network, x, z, b, t) for z, b in ((z_m, box), (z_m + 1, 0 * box)))
        assert here.shape == x.shape
        assert torch.equal(here, there)
        assert torch.equal(estimate_whole_velocity(network, x, level), here)
