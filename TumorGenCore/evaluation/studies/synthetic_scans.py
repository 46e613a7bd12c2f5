"""Scans with synthetic tumors at healthy sites, to train a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from TumorGenCore.errors import InvalidBoxError, TrainingDataError
from TumorGenCore.evaluation.crops import crop_around
from TumorGenCore.evaluation.rivals.host import Rival
from TumorGenCore.evaluation.sites import Site
from TumorGenCore.lesions.placement import place_boxes
from TumorGenCore.training.data.cases import Case, voxels_at
from TumorGenCore.training.data.labeled_scans import LabeledScan
from TumorGenCore.volumes.geometry import Box, Grid

__all__ = ["SyntheticSite", "healthy_sites", "with_tumors"]

#: Tissue kept around a box, mm: more than a patch around the tumor shows.
AROUND_MM = 100.0
#: Least distance of a box center from disease that must not be shown, mm.
CLEAR_MM = 80.0
#: Number of seeds to try at a site until a tumor grows.
_SEEDS = 5


@dataclass(frozen=True)
class SyntheticSite:
    """A box in healthy tissue, in a crop of its scan.

    Args:
        site: cropped image and box; the tumor is the same as in the whole scan.
        scan: the crop without the tumor.
    """

    site: Site
    scan: LabeledScan


def healthy_sites(pairs: Sequence[tuple[Case, LabeledScan]], count: int, seed: int) -> list[SyntheticSite]:
    """Places boxes with the sizes of published lesions in healthy tissue; the scans take turns.

    Args:
        pairs: cases and their scans for training; a case listed twice has two turns.
        count: number of boxes.
        seed: decides places and sizes.

    Raises:
        TrainingDataError: there are not enough healthy places.
    """
    places = [(case, scan) for case, scan in pairs if len(case.healthy_lps)]
    regions: dict[str, np.ndarray] = {}
    for case, scan in places:
        if case.name not in regions:
            regions[case.name] = _region(case, scan)
    sites: list[SyntheticSite] = []
    for turn in range(3 * count):
        if len(sites) == count or not places:
            break
        case, scan = places[turn % len(places)]
        grid = Grid.from_image(case.image)
        rng = np.random.default_rng([seed, 7, turn])
        try:
            box = place_boxes(regions[case.name], voxels_at(case.body_lps, grid), grid, rng)[0]
        except InvalidBoxError:  # A small crop may have no place for this size.
            continue
        sites.append(_site(f"{case.name} {len(sites) + 1}", case, scan, box))
    if len(sites) < count:
        raise TrainingDataError(
            f"Found only {len(sites)} of {count} healthy places for synthetic tumors; ask for fewer."
        )
    return sites


def with_tumors(method: Rival, sites: Sequence[SyntheticSite]) -> tuple[list[LabeledScan], int]:
    """Returns the scans, each with a tumor, and the number of sites where none grew.

    Args:
        method: makes the tumors, with up to five seeds until a tumor grows.
        sites: sites, one scan each.
    """
    made = []
    for place in sites:
        for seed in range(_SEEDS):
            image, mask = method(place.site, seed)
            tumor = sitk.GetArrayFromImage(mask) > 0
            if tumor.any():
                made.append(_with_tumor(place.scan, image, tumor))
                break
    return made, len(sites) - len(made)


def _with_tumor(scan: LabeledScan, image: sitk.Image, tumor: np.ndarray) -> LabeledScan:
    grid = Grid.from_image(image)
    every = tumor | (sitk.GetArrayViewFromImage(scan.tumors) > 0)
    points = grid.index_to_lps(np.argwhere(tumor)[:, ::-1])
    tumors = grid.image_from_array(every.astype(np.uint8))
    return LabeledScan(scan.name, image, tumors, points, scan.tissue_lps, scan.avoid)


def _region(case: Case, scan: LabeledScan) -> np.ndarray:
    """Returns the voxels at which a box may have its center, (k, j, i)."""
    grid = Grid.from_image(case.image)
    region = voxels_at(case.healthy_lps, grid)
    if scan.avoid is None:
        return region
    away = sitk.GetArrayViewFromImage(scan.avoid) == 0
    clear: np.ndarray = region & (ndimage.distance_transform_edt(away, sampling=grid.spacing_mm[::-1]) > CLEAR_MM)
    return clear


def _site(name: str, case: Case, scan: LabeledScan, box: Box) -> SyntheticSite:
    image, tumors = (crop_around(some, box, AROUND_MM) for some in (scan.image, scan.tumors))
    avoid = None if scan.avoid is None else crop_around(scan.avoid, box, AROUND_MM)
    cut = LabeledScan(name, image, tumors, np.empty((0, 3)), np.empty((0, 3)), avoid)
    return SyntheticSite(Site(name, "healthy", cut.image, box, None, case.patient), cut)
