"""Lesions of a reader study from held-out patients: their own tumors, and tumors of a bundle in the same boxes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.reader_study.lesions import StudyLesion, lesion_as_drawn, study_lesion
from TumorGenCore.evaluation.sites import Site, rough_box, sites_of
from TumorGenCore.evaluation.themes.detection import CONTEXT_SHARES, SMALLEST_MM
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.method.pseudo_mask import BoxOffsets
from TumorGenCore.training.data.cases import Case
from TumorGenCore.training.data.example_settings import ExampleSettings
from TumorGenCore.training.data.examples import ExampleMaker
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.patch import PatchSettings

__all__ = ["OWN_SIZE", "RESIZED", "real_pool", "synthetic_pool"]

OWN_SIZE = "a real lesion as it is"
RESIZED = "a real lesion, resized to a small one and placed into healthy tissue of the same patient"
_OVER = "synthetic, in a rough box over a real lesion"
_HEALTHY = "synthetic, in a box of 40 mm in healthy tissue"

#: Lesions made small for each one shown, and attempts at each; the study chooses those that match in volume.
_CHOICES, _TRIES = 1.5, 3
#: Seeds for each box; the study chooses those that match the real lesions in volume.
_SEEDS = 2
#: Edge of the patches in which lesions are made small, voxels.
_PATCH_VOXELS = 48


def real_pool(
    cases: Sequence[Case], patch: PatchSettings, count: int, seed: int, tell: Callable[[str], None]
) -> list[StudyLesion]:
    """Returns the tumors of the cases, and more than ``count`` tumors made small if the cases have room for them.

    Args:
        cases: held-out cases.
        patch: working patch of the bundle, which provides the spacing.
        count: number of lesions to show.
        seed: decides the small lesions and the views.
        tell: called with a line for each case.
    """
    found: list[StudyLesion | None] = []
    for n, case in enumerate(cases):
        rng = np.random.default_rng([seed, 1, n])
        found += [lesion_as_drawn("real", OWN_SIZE, case, lesion, rng) for lesion in case.lesions]
        found += _made_small(case, patch, _each(_CHOICES * count, cases), seed, rng)
        tell(f"{case.name}: real lesions done")
    return [lesion for lesion in found if lesion is not None]


def synthetic_pool(
    generator: TumorGenerator, cases: Sequence[Case], count: int, seed: int, tell: Callable[[str], None]
) -> list[StudyLesion]:
    """Returns tumors of a bundle, made as ``evaluate`` makes them: over real lesions and in healthy tissue.

    Args:
        generator: the bundle on its device.
        cases: held-out cases.
        count: number of lesions to show; the pool has about twice as many.
        seed: first seed of each box; also decides the healthy places and the views.
        tell: called with a line for each box.
    """
    found = []
    for n, case in enumerate(cases):
        rng = np.random.default_rng([seed, 2, n])
        for site in _sites(case, _each(count, cases), seed):
            prepared = generator.prepare(site.image, site.box, suv_factor=1)
            for tumor in generator.generate_many(prepared, seeds=range(seed, seed + _SEEDS)):
                inside = sitk.GetArrayViewFromImage(tumor.mask) > 0
                made = _OVER if site.group == "tumor" else _HEALTHY
                lesion = study_lesion("synthetic", made, case, tumor.image, inside, rng)
                found.append(lesion and replace(lesion, quality=tumor.quality.total))
            tell(f"{site.name}: done")
    return [lesion for lesion in found if lesion is not None]


def _each(count: float, cases: Sequence[Case]) -> int:
    """Number of small lesions for each case, so that they are enough together."""
    return math.ceil(count / len(cases))


def _sites(case: Case, healthy: int, seed: int) -> Iterator[Site]:
    """Yields a rough box over every lesion, and boxes in healthy tissue."""
    voxel_mm = float(np.mean(case.image.GetSpacing()))
    for n, lesion in enumerate(case.lesions):
        box = rough_box(lesion, voxel_mm)
        yield Site(f"{case.name} lesion {n + 1}", "tumor", case.image, box, None, case.patient)
    yield from (site for site in sites_of(case, healthy, seed=seed) if site.group == "healthy")


def _made_small(
    case: Case, patch: PatchSettings, count: int, seed: int, rng: np.random.Generator
) -> Iterator[StudyLesion]:
    """Yields up to ``count`` lesions of a case that are made small like the training examples.

    Only the change that a lesion makes is brought onto the voxels of the scan. So the tissue around it stays as it is,
    as around a synthetic tumor.
    """
    if not case.lesions or len(case.healthy_lps) == 0:
        return
    # Without a gain on the whole patch, the example differs from the scan only by the lesion.
    settings = ExampleSettings(transplant_share=1.0, smallest_mm=SMALLEST_MM, gain_spread=0.0)
    contexts = [replace(patch, context_mm=share * _PATCH_VOXELS * patch.spacing_mm) for share in CONTEXT_SHARES[:2]]
    makers = [ExampleMaker([case], context, BoxOffsets(), settings, seed) for context in contexts]
    grid = Grid.from_image(case.image)
    native = grid.empty_image(sitk.sitkFloat32)
    scan = sitk.GetArrayViewFromImage(case.image)
    made = 0
    for n in range(_TRIES * count):
        example = makers[n % len(makers)].example(n, _PATCH_VOXELS)
        if not example.transplanted:
            continue
        change = example.suv - example.patch.sample(case.image)
        on_scan, inside = (
            sitk.GetArrayFromImage(sitk.Resample(example.patch.grid.image_from_array(values), native))
            for values in (change, example.mask)
        )
        image = grid.image_from_array(np.maximum(scan + on_scan, np.float32(0)))
        lesion = study_lesion("real", RESIZED, case, image, inside > 0.5, rng)
        if lesion is not None and lesion.size == "small":
            yield lesion
            made += 1
            if made == count:
                return
