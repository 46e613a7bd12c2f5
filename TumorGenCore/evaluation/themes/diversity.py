"""Variety: do the tumors of different seeds, and of different sites, differ?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.evaluation.sites import GROUPS, Shown, Site
from TumorGenCore.evaluation.statistics import mean_of_known
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.lesions.agreement import dice
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["diversity", "in_box", "pair_correlation", "pair_dice", "variation"]

#: Points along each edge of a box, to compare changes in boxes of different sizes.
POINTS = 24


def in_box(image: sitk.Image, box: Box) -> NDArray[np.float32]:
    """Samples the image in coordinates of the box: 24 points along each of its edges, (k, j, i)."""
    x, y, z = (edge / POINTS for edge in box.size_mm)
    corner = box.to_lps(-np.asarray(box.size_mm) / 2 * (1 - 1 / POINTS))
    grid = Grid((POINTS, POINTS, POINTS), (x, y, z), (corner[0], corner[1], corner[2]), box.axes)
    return WorkingPatch(grid, box).sample(image)


def pair_correlation(changes: Sequence[NDArray]) -> float | None:
    """Mean Pearson correlation of all pairs of changes (synthetic - scan); 1 if all are the same, None without a pair.

    Args:
        changes: changes of one shape; constant ones are ignored.
    """
    centered = [change.ravel() - change.mean() for change in changes]
    units = [change / norm for change in centered if (norm := np.linalg.norm(change)) > 0]
    return mean_of_known([float(a @ b) for a, b in combinations(units, 2)])


def pair_dice(masks: Sequence[NDArray]) -> float | None:
    """Mean Dice coefficient of all pairs of masks of one shape; 1 if all are equal, None without a pair of tumors."""
    grown = [mask for mask in masks if mask.any()]
    return mean_of_known([dice(a, b) for a, b in combinations(grown, 2)])


def variation(values: Sequence[float]) -> float | None:
    """Coefficient of variation, standard deviation over mean; None for fewer than two known values."""
    known = np.asarray([value for value in values if np.isfinite(value)])
    return float(known.std(ddof=1) / known.mean()) if len(known) > 1 and known.mean() > 0 else None


def diversity(shown: Shown, lesions: dict[str, list[dict]]) -> dict:
    """Measures likeness and variation between seeds at one site, and between sites with one seed, in each group.

    Args:
        shown: sites and results.
        lesions: for each group, one row per result in the order of ``shown``, with ``seed``, ``volume_ml`` and
            ``suv_max``; also ``held_out`` real lesions.

    Returns:
        For each group ``between_seeds`` and ``between_sites``, each with ``correlation``, ``dice``,
        ``volume_ml_variation`` and ``suv_max_variation``, None without a pair; and the same for ``real`` tumors
        between their boxes.
    """
    found: dict[str, dict] = {}
    for group in GROUPS:
        sites = [(site, results) for site, results in shown if site.group == group]
        changes = [[in_box(_change(site, r), site.box) for r in results] for site, results in sites]
        masks = [[in_box(r.mask, site.box) > 0.5 for r in results] for site, results in sites]
        rows = lesions[group]
        seeds = sorted({row["seed"] for row in rows})
        by_site = [rows[n : n + len(seeds)] for n in range(0, len(rows), len(seeds) or 1)]
        by_seed = [[row for row in rows if row["seed"] == seed] for seed in seeds]
        found[group] = {
            "between_seeds": _likeness(changes, masks, by_site),
            "between_sites": _likeness(list(zip(*changes, strict=True)), list(zip(*masks, strict=True)), by_seed),
        }
    real = [in_box(site.real, site.box) > 0.5 for site, _ in shown if site.real is not None]
    largest = lesions["held_out"]
    found["real"] = {
        "between_sites": {
            "correlation": None,
            "dice": pair_dice(real),
            **{f"{key}_variation": variation([row[key] for row in largest]) for key in ("volume_ml", "suv_max")},
        }
    }
    return found


def _change(site: Site, result: Tumor) -> sitk.Image:
    return sitk.Cast(result.image, sitk.sitkFloat32) - sitk.Cast(site.image, sitk.sitkFloat32)


def _likeness(changes: Sequence, masks: Sequence, rows: Sequence[list[dict]]) -> dict:
    """Means over sets of results of the likeness within each set."""

    def varied(key: str) -> float | None:
        return mean_of_known([variation([row[key] for row in some if row[key] is not None]) for some in rows])

    return {
        "correlation": mean_of_known([pair_correlation(some) for some in changes]),
        "dice": mean_of_known([pair_dice(some) for some in masks]),
        "volume_ml_variation": varied("volume_ml"),
        "suv_max_variation": varied("suv_max"),
    }
