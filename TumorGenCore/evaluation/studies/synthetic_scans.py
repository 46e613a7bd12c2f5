"""Synthetic tumors at healthy sites of given scans, as a segmenter may learn from them."""

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
#: Boxes keep so far from disease that must not be shown, mm.
CLEAR_MM = 80.0
#: Seeds tried at a site where no tumor grows.
_SEEDS = 5


@dataclass(frozen=True)
class SyntheticSite:
    """A box in healthy tissue of a scan, of which a crop is kept.

    Args:
        site: image and box; a crop gives the tumor of the whole scan.
        scan: the crop as it is without the tumor.
    """

    site: Site
    scan: LabeledScan


def healthy_sites(pairs: Sequence[tuple[Case, LabeledScan]], count: int, seed: int) -> list[SyntheticSite]:
    """Boxes of the field's lesion sizes at healthy places, one scan after another in turn.

    Args:
        pairs: cases with what may be learned from them; one that is named twice has two turns.
        count: how many.
        seed: decides places and sizes.

    Raises:
        TrainingDataError: no place is left for so many.
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
            f"Only {len(sites)} of {count} healthy places for synthetic tumors were found; ask for fewer."
        )
    return sites


def with_tumors(method: Rival, sites: Sequence[SyntheticSite]) -> tuple[list[LabeledScan], int]:
    """The scans with a tumor of the method each, and the number of sites where none grew.

    Args:
        method: makes the tumors; where none grows, the next of five seeds is tried.
        sites: a scan each.
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
    """Where boxes may have their centers, (k, j, i)."""
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
