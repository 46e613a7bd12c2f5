"""Alignment: does an independent segmenter find the tumor of M' on I'?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
import torch
from monai.metrics import compute_dice, compute_surface_dice
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, Rows, bootstrap_intervals
from TumorGenCore.evaluation.sites import GROUPS, Shown
from TumorGenCore.evaluation.themes.detection import FOUND_SHARE
from TumorGenCore.lesions.agreement import dice
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

if TYPE_CHECKING:  # Its module needs the training packages, which a report does not need.
    from TumorGenCore.training.stages.segmenter import Segmenter

__all__ = [
    "ALIGNMENT_FIGURES",
    "TAKEN",
    "Figures",
    "alignment",
    "mean_alignment",
    "measure_alignment",
    "overlap",
    "voxel_limit",
]

#: Measures of one mask: whether it is found; Dice coefficient and normalized surface distance at ``TOLERANCE_MM`` and
#: at one voxel of the scan, on a fine grid; and Dice coefficient on the voxels of the scan.
ALIGNMENT_FIGURES = ("found", "dice", "nsd", "nsd_voxel", "dice_voxels")
#: Tolerance of the normalized surface distance, mm.
TOLERANCE_MM = 2.0
#: Refinement of the segmenter's grid to compare surfaces; otherwise 2 mm would be less than a voxel.
FINER = 2

#: Groups of sites that each mean covers.
TAKEN: dict[str, Sequence[str]] = {**{group: (group,) for group in GROUPS}, "patients": ("tumor", "healthy")}

#: ``ALIGNMENT_FIGURES`` of one mask, all None if it is empty.
Figures = dict[str, float | None]


def alignment(segmenter: Segmenter, image: sitk.Image, mask: sitk.Image, box: Box) -> Figures:
    """Measures DSC and NSD between a mask and the segmenter's finding, inside the box.

    Args:
        segmenter: segmenter trained on other, real patients.
        image: SUV; synthetic I' with its M', or a real scan with its tumors, the reference.
        mask: 0/1 on the grid of the image, or a probability, whose border lies at one half.
        box: only the part of the scan inside counts, so that other tumors and hot organs are ignored.

    Returns:
        ``found``, 1 if the finding holds at least ``FOUND_SHARE`` of the mask, otherwise 0; its mean is a sensitivity.
        ``dice``, ``nsd`` (at 2 mm) and ``nsd_voxel`` (at one voxel of the scan), on a grid twice as fine as the
        segmenter's; ``dice_voxels``, between mask and finding on the voxels of the scan, the usual grid for masks. None
        if the mask is empty there.
    """
    return _Finding.of(segmenter, image, box).agreement(mask)


def voxel_limit(segmenter: Segmenter, image: sitk.Image, box: Box) -> Figures:
    """Measures ``alignment`` of the segmenter's own finding on the voxels of the scan, an upper limit for any mask.

    For the arguments see ``alignment``. All None if the segmenter finds nothing, or nothing that fills a voxel.
    """
    finding = _Finding.of(segmenter, image, box)
    return finding.agreement(finding.on_voxels)


@dataclass(frozen=True)
class _Finding:
    """A segmenter's finding in a box, on the grid that compares surfaces.

    ``inside`` is true inside both box and scan; beyond the scan, a patch shows mirrored voxels.
    """

    image: sitk.Image
    fine: WorkingPatch
    inside: NDArray[np.bool_]
    found: NDArray[np.bool_]

    @classmethod
    def of(cls, segmenter: Segmenter, image: sitk.Image, box: Box) -> _Finding:
        patch = WorkingPatch.around(box.canonical(), segmenter.run.patch)
        i, j, k = (FINER * n for n in patch.grid.size_ijk)
        fine = WorkingPatch.of_size(patch.box, (i, j, k), patch.grid.spacing_mm[0] / FINER)
        inside = (fine.box_coverage() > 0.5) & fine.inside(Grid.from_image(image))
        return cls(image, fine, inside, segmenter.find(image, patch, FINER) & inside)

    @cached_property
    def on_voxels(self) -> sitk.Image:
        """The finding as a mask on the grid of the scan."""
        soft = self.fine.grid.image_from_array(self.found.astype(np.float32))
        return sitk.Resample(soft, self.image, sitk.Transform(), sitk.sitkLinear, 0.0) > 0.5

    def agreement(self, mask: sitk.Image) -> Figures:
        """Agreement with a mask, or with its probability, on the grid of the scan."""
        truth = (self.fine.sample(sitk.Cast(mask, sitk.sitkFloat32)) > 0.5) & self.inside
        if not truth.any():
            return dict.fromkeys(ALIGNMENT_FIGURES)
        figures = overlap(self.found, truth, self.fine.grid.spacing_mm[0], max(self.image.GetSpacing()))
        in_box = self.fine.box.mask(Grid.from_image(self.image))
        marked, found = (sitk.GetArrayViewFromImage(some) > 0.5 for some in (mask, self.on_voxels))
        hit = float((self.found & truth).sum() >= FOUND_SHARE * truth.sum())
        return {"found": hit, **figures, "dice_voxels": dice(marked & in_box, found & in_box)}


def overlap(found: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: float, voxel_mm: float) -> Figures:
    """Measures DSC and normalized surface distance (Nikolov et al.) of two masks (k, j, i) on an isotropic grid.

    Args:
        found: the finding; if it is empty, all values are 0.
        truth: the mask, not empty.
        spacing_mm: spacing of the grid.
        voxel_mm: tolerance of ``nsd_voxel``.

    Returns:
        ``dice``, ``nsd`` and ``nsd_voxel``.
    """
    if not found.any():
        return {"dice": 0.0, "nsd": 0.0, "nsd_voxel": 0.0}
    a, b = (torch.from_numpy(m)[None, None].float() for m in (found, truth))
    figures: Figures = {"dice": float(compute_dice(a, b, ignore_empty=False))}
    with warnings.catch_warnings():  # MONAI warns about its own deprecated arguments.
        warnings.simplefilter("ignore")
        for name, tolerance in (("nsd", TOLERANCE_MM), ("nsd_voxel", voxel_mm)):
            figures[name] = float(compute_surface_dice(a, b, [tolerance], include_background=True, spacing=spacing_mm))
    return figures


def mean_alignment(patients: Sequence[str], figures: Sequence[Figures], draws: int = 200, seed: int = 0) -> dict:
    """Computes means over masks, with 95 % bootstrap intervals over patients.

    Args:
        patients: patient of each mask.
        figures: measures of each mask; empty masks are counted and ignored.
        draws: number of bootstrap draws.
        seed: seed of the bootstrap.

    Returns:
        For each measure ``mean`` (None without masks), ``interval`` (None for fewer than five patients) and
        ``lesions``, the number of masks; and ``empty``, the number of empty masks.
    """
    known = [(patient, row) for patient, row in zip(patients, figures, strict=True) if row["dice"] is not None]
    values = np.array([[row[name] for name in ALIGNMENT_FIGURES] for _, row in known], dtype=np.float64)
    rows = Rows(np.array([patient for patient, _ in known]), np.zeros(len(known), int), values)
    intervals: Sequence[list[float] | None] = [None] * len(ALIGNMENT_FIGURES)
    if len(rows.people) >= LEAST_LESIONS:
        intervals = bootstrap_intervals(
            lambda drawn: rows.drawn(drawn).values.mean(axis=0), rows.people, draws=draws, seed=seed
        )
    found: dict = {"empty": len(figures) - len(known)}
    for column, (name, interval) in enumerate(zip(ALIGNMENT_FIGURES, intervals, strict=True)):
        mean = float(values[:, column].mean()) if len(known) else None
        found[name] = {"mean": mean, "interval": interval, "lesions": len(known)}
    return found


def measure_alignment(segmenter: Segmenter, shown: Shown) -> dict:
    """Measures ``alignment`` of every result, and of the real tumors in the boxes.

    These are heights: a mask of a synthetic tumor should agree as much as one of a real tumor, not more. ``equality``
    compares both.

    Returns:
        ``sites``: the measures of each site, in the order of the seeds; ``groups``: ``mean_alignment`` of each group of
        sites, and of all ``patients``; ``passing``: the same for tumors that pass the quality gate; ``probability``:
        the same for M' as a probability; ``voxels``: the same for ``voxel_limit``; ``real``: ``mean_alignment`` of the
        real tumors.
    """
    sites: dict[str, list[Figures]] = {}
    probabilities: dict[str, list[Figures]] = {}
    limits: dict[str, list[Figures]] = {}
    for site, results in shown:
        found = [(_Finding.of(segmenter, result.image, site.box), result) for result in results]
        sites[site.name] = [finding.agreement(result.mask) for finding, result in found]
        probabilities[site.name] = [finding.agreement(result.mask_probability) for finding, result in found]
        limits[site.name] = [finding.agreement(finding.on_voxels) for finding, _ in found]
    passing = {
        site.name: [f for f, result in zip(sites[site.name], results, strict=True) if result.quality.passes]
        for site, results in shown
    }
    groups, passing_groups, probability, voxels = (
        {name: _of_groups(taken, shown, figures) for name, taken in TAKEN.items()}
        for figures in (sites, passing, probabilities, limits)
    )
    real = [(site.patient, site.real, site) for site, _ in shown if site.real is not None]
    judged = [alignment(segmenter, site.image, mask, site.box) for _, mask, site in real]
    return {
        "sites": sites,
        "groups": groups,
        "passing": passing_groups,
        "probability": probability,
        "voxels": voxels,
        "real": mean_alignment([patient for patient, *_ in real], judged),
    }


def _of_groups(groups: Sequence[str], shown: Shown, figures: dict[str, list[Figures]]) -> dict:
    pairs = [(site.patient, row) for site, _ in shown if site.group in groups for row in figures[site.name]]
    return mean_alignment([patient for patient, _ in pairs], [row for _, row in pairs])
