"""Equality: does a segmenter treat synthetic tumors as it treats real ones of like size and contrast?

A segmenter that finds synthetic tumors more often than real ones, or that agrees with their masks more, says that they
are too easy. So the figure is the difference, synthetic minus real, and 0 is best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.features.resampling import mean_of_patients
from TumorGenCore.evaluation.samples import LesionSample
from TumorGenCore.evaluation.sites import Shown, Site, rough_box
from TumorGenCore.evaluation.statistics import median_of_known, patient_means
from TumorGenCore.evaluation.themes.alignment import TAKEN, Figures, alignment
from TumorGenCore.evaluation.two_sample.boxed import boxed
from TumorGenCore.training.data.cases import Lesion
from TumorGenCore.volumes.geometry import Grid

if TYPE_CHECKING:  # Its module needs the training packages, which a report does not need.
    from TumorGenCore.training.stages.segmenter import Segmenter

__all__ = [
    "EQUALITY_FIGURES",
    "LIKE_FACTOR",
    "Judged",
    "differences",
    "judged",
    "measure_equality",
    "nearest_like",
    "real_tumors",
    "small_sites",
]

#: Figures that are compared: found or not, Dice coefficient, normalized surface distance at 2 mm.
EQUALITY_FIGURES = ("found", "dice", "nsd")
#: Tumors are alike if both volume and contrast differ by at most this factor.
LIKE_FACTOR = 2.0
#: Lower values count as this much, so that every contrast has a logarithm.
_LEAST_SUV = 1e-3


@dataclass(frozen=True)
class Judged:
    """A tumor and what the segmenter makes of it.

    Args:
        patient: patient of the scan.
        volume_ml: volume of the mask in the box.
        contrast: 95th percentile of SUV in the mask over the median SUV of the tissue outside the box.
        figures: its alignment; all None if the mask is empty.
    """

    patient: str
    volume_ml: float
    contrast: float
    figures: Figures

    @property
    def empty(self) -> bool:
        """Whether there is no tumor in the box."""
        return self.figures["dice"] is None or self.volume_ml == 0


def judged(site: Site, image: sitk.Image, mask: sitk.Image, figures: Figures) -> Judged:
    """Measures size and contrast of a tumor whose alignment is known.

    Args:
        site: the site.
        image: the scan with the tumor, SUV.
        mask: the tumor, above 0 inside, on the grid of the image.
        figures: its alignment.
    """
    lesion = boxed(site, image, mask)
    if not lesion.mask.any():
        return Judged(site.patient, 0.0, 0.0, figures)
    volume_ml = float(lesion.mask.sum() * np.prod(lesion.spacing_mm)) / 1000
    hot = max(float(np.percentile(lesion.suv[lesion.mask], 95)), _LEAST_SUV)
    return Judged(site.patient, volume_ml, hot / max(lesion.tissue_suv, _LEAST_SUV), figures)


def real_tumors(segmenter: Segmenter, sites: Sequence[Site]) -> list[Judged]:
    """Judges the real tumor of every site that has one, in the order of the sites.

    Args:
        segmenter: segmenter trained on other, real patients.
        sites: the sites.
    """
    return [
        judged(site, site.image, site.real, alignment(segmenter, site.image, site.real, site.box))
        for site in sites
        if site.real is not None
    ]


def small_sites(lesions: Sequence[LesionSample]) -> list[Site]:
    """Returns a site with a rough box for each real lesion that was made small (``samples.small_lesions``)."""
    sites = []
    for lesion in lesions:
        k, j, i = lesion.mask.shape
        grid = Grid((i, j, k), lesion.spacing_mm, (0.0, 0.0, 0.0))
        points = grid.index_to_lps(np.argwhere(lesion.mask)[:, ::-1])
        box = rough_box(Lesion(points, 0.0, 0.0), float(np.mean(lesion.spacing_mm)))
        image, mask = grid.image_from_array(lesion.suv), grid.image_from_array(lesion.mask.astype(np.uint8))
        sites.append(Site(lesion.name, "tumor", image, box, mask, lesion.patient))
    return sites


def nearest_like(tumor: Judged, real: Sequence[Judged]) -> Judged | None:
    """Returns the real tumor that a tumor is compared with; None if there is none of like size and contrast.

    Alike are tumors whose volumes and contrasts differ by at most ``LIKE_FACTOR``. Among these, tumors of the same
    patient come first, because they share scanner, noise and tissue; in a box over a real tumor, this is mostly that
    tumor. Then the nearest by the logarithms of both counts. A real tumor may serve several times.

    With eight patients there are some ten real tumors, whose volumes span two decades. A line on volume and contrast
    would have three free values for ten points, and would be read far outside of them. The nearest tumor within a limit
    needs no model, and identical tumors have a difference of exactly 0.
    """
    alike = [one for one in real if not one.empty and max(_apart(tumor, one)) <= np.log(LIKE_FACTOR)]
    return min(alike, key=lambda one: (one.patient != tumor.patient, np.hypot(*_apart(tumor, one))), default=None)


def _apart(a: Judged, b: Judged) -> tuple[float, float]:
    """Distances of two tumors that are not empty: by the logarithm of the volume, and by that of the contrast."""
    return abs(np.log(a.volume_ml / b.volume_ml)), abs(np.log(a.contrast / b.contrast))


def differences(synthetic: Sequence[Judged], real: Sequence[Judged]) -> dict:
    """Computes the mean difference of synthetic tumors to real ones of like size and contrast, over patients.

    Args:
        synthetic: synthetic tumors; empty ones are not compared.
        real: real tumors that no network learned from.

    Returns:
        For each of ``EQUALITY_FIGURES`` the result of ``mean_of_patients``, synthetic minus real, each patient of the
        synthetic tumors counted once; ``tumors``, the number of synthetic tumors that are not empty; ``compared``, the
        number of those with a like real tumor; and ``volume_ratio`` and ``contrast_ratio``, the medians of synthetic
        over real among these, None without any.
    """
    grown = [one for one in synthetic if not one.empty]
    pairs = [(one, like) for one in grown if (like := nearest_like(one, real)) is not None]
    rows = [
        {"patient": one.patient, **{name: _minus(one.figures, like.figures, name) for name in EQUALITY_FIGURES}}
        for one, like in pairs
    ]
    return {
        **{name: mean_of_patients(patient_means(rows, name)) for name in EQUALITY_FIGURES},
        "tumors": len(grown),
        "compared": len(pairs),
        "volume_ratio": median_of_known(one.volume_ml / like.volume_ml for one, like in pairs),
        "contrast_ratio": median_of_known(one.contrast / like.contrast for one, like in pairs),
    }


def _minus(here: Figures, there: Figures, name: str) -> float:
    a, b = here[name], there[name]
    assert a is not None and b is not None, "empty masks are not compared"
    return a - b


def measure_equality(
    segmenter: Segmenter, shown: Shown, figures: Mapping[str, Sequence[Figures]], small: Sequence[LesionSample]
) -> dict:
    """Compares every synthetic tumor with a real one of the patients that no network learned from.

    Args:
        segmenter: segmenter trained on other, real patients.
        shown: sites and the tumors inserted there, one per seed.
        figures: ``sites`` of ``measure_alignment``.
        small: real lesions of the same patients, made small, for the synthetic tumors that are smaller than any.

    Returns:
        ``differences`` of each group of sites, and of all ``patients``.
    """
    real = real_tumors(segmenter, [*(site for site, _ in shown), *small_sites(small)])
    made = [
        (site.group, judged(site, result.image, result.mask, found))
        for site, results in shown
        for result, found in zip(results, figures[site.name], strict=True)
    ]
    return {name: differences([one for group, one in made if group in taken], real) for name, taken in TAKEN.items()}
