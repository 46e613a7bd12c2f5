"""Alignment: does an independent segmenter find on I' what M' says is there?"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch
from monai.metrics import compute_dice, compute_surface_dice
from numpy.typing import NDArray

from TumorGenCore.geometry import Box
from TumorGenCore.patch import WorkingPatch
from TumorGenCore.training.segmenter import Segmenter

__all__ = ["alignment", "overlap"]

#: Tolerance of the normalised surface distance, mm.
TOLERANCE_MM = 2.0


def alignment(segmenter: Segmenter, image: sitk.Image, mask: sitk.Image, box: Box) -> dict[str, float | None]:
    """DSC and NSD between a mask and what the segmenter finds, inside the box.

    Args:
        segmenter: trained on real patients, none of them this one.
        image: SUV; synthetic I' with its M', or a real scan with its contour, which gives the segmenter's ceiling.
        mask: 0/1 on the image's grid.
        box: only what lies inside counts: other tumours and organs that take up tracer are not asked about.

    Returns:
        ``dice``, ``nsd`` (at 2 mm) and ``nsd_voxel`` (at one voxel of the scan), on the segmenter's grid; None for a
        mask that is empty there.
    """
    patch = WorkingPatch.around(box.canonical(), segmenter.run.patch)
    inside = patch.box_coverage() > 0.5
    truth = (patch.sample(sitk.Cast(mask, sitk.sitkFloat32)) > 0.5) & inside
    if not truth.any():
        return {"dice": None, "nsd": None, "nsd_voxel": None}
    found = segmenter.find(image, patch) & inside
    return overlap(found, truth, patch.grid.spacing_mm[0], max(image.GetSpacing()))


def overlap(
    found: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: float, voxel_mm: float
) -> dict[str, float | None]:
    """DSC and normalised surface distance (Nikolov et al.) of two masks (k, j, i) on an isotropic grid.

    Args:
        found: may be empty: both figures are then 0.
        truth: not empty.
        spacing_mm: of the grid.
        voxel_mm: tolerance of ``nsd_voxel``.
    """
    if not found.any():
        return {"dice": 0.0, "nsd": 0.0, "nsd_voxel": 0.0}
    a, b = (torch.from_numpy(m)[None, None].float() for m in (found, truth))
    figures: dict[str, float | None] = {"dice": float(compute_dice(a, b, ignore_empty=False))}
    for name, tolerance in (("nsd", TOLERANCE_MM), ("nsd_voxel", voxel_mm)):
        figures[name] = float(compute_surface_dice(a, b, [tolerance], include_background=True, spacing=spacing_mm))
    return figures
