"""Seams of the tumors that an evaluation inserted."""

from __future__ import annotations

import SimpleITK as sitk

from TumorGenCore.evaluation.sites import GROUPS, Shown, Site
from TumorGenCore.evaluation.statistics import known, mean_of_known, median_of_known
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.lesions.seams import seam_ratio
from TumorGenCore.volumes.geometry import Grid

__all__ = ["seams"]


def seams(shown: Shown) -> dict:
    """Measures ``seam_ratio`` of every site, mean over its seeds; and median and highest ratio of each group."""
    sites: dict[str, dict] = {}
    for site, results in shown:
        sites[site.name] = {"group": site.group, "ratio": mean_of_known(_ratio(site, result) for result in results)}
    ratios_of = {group: known(s["ratio"] for s in sites.values() if s["group"] == group) for group in GROUPS}
    return {
        "sites": sites,
        "groups": {
            group: {"n": len(r), "median": median_of_known(r), "highest": max(r)} if r else {"n": 0}
            for group, r in ratios_of.items()
        },
    }


def _ratio(site: Site, result: Tumor) -> float | None:
    before, after = (sitk.GetArrayViewFromImage(image) for image in (site.image, result.image))
    return seam_ratio(before, after, Grid.from_image(site.image), site.box)
