"""Seams of what an evaluation inserted."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.sites import GROUPS, Shown, Site
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.lesions.seams import seam_ratio
from TumorGenCore.volumes.geometry import Grid

__all__ = ["seams"]


def seams(shown: Shown) -> dict:
    """``seam_ratio`` of every site, mean over its seeds, and per group of sites the median and the highest."""
    sites: dict[str, dict] = {}
    for site, results in shown:
        ratios = [_ratio(site, result) for result in results]
        known = [ratio for ratio in ratios if ratio is not None]
        sites[site.name] = {"group": site.group, "ratio": float(np.mean(known)) if known else None}
    ratios_of = {
        group: [s["ratio"] for s in sites.values() if s["group"] == group and s["ratio"] is not None]
        for group in GROUPS
    }
    return {
        "sites": sites,
        "groups": {
            group: {"n": len(r), "median": float(np.median(r)), "highest": max(r)} if r else {"n": 0}
            for group, r in ratios_of.items()
        },
    }


def _ratio(site: Site, result: Tumor) -> float | None:
    before, after = (sitk.GetArrayViewFromImage(image) for image in (site.image, result.image))
    return seam_ratio(before, after, Grid.from_image(site.image), site.box)
