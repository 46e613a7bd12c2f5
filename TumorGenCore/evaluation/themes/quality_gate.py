"""Does the quality gate accept real lesions, and does it reject spoiled ones?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.evaluation.crops import block_around
from TumorGenCore.evaluation.markdown import number, percent, spread, table_lines
from TumorGenCore.evaluation.sites import GROUPS, Shown, rough_box
from TumorGenCore.evaluation.statistics import median_of_known, quantiles
from TumorGenCore.lesions.agreement import ranking
from TumorGenCore.lesions.quality import LEAST_QUALITY, MARGIN_VOXELS, PARTS, Expected, QualityScore, score
from TumorGenCore.lesions.thumbnails import TrainingLesions
from TumorGenCore.training.data.cases import Case, Lesion
from TumorGenCore.training.data.tumor_masks import tumor_mask
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.patch import WorkingPatch

__all__ = ["SPOILT", "gate_lines", "quality_gate"]

#: How far a mask is shifted, mm.
SHIFT_MM = 8.0
#: Blur of a pasted lesion's edge, full width at half maximum, mm.
EDGE_FWHM_MM = 6.0
#: Blur of a tumor's uptake inside its mask, full width at half maximum, mm.
SMOOTH_FWHM_MM = 12.0
#: Ways to spoil a tumor, with their names in the report.
SPOILT = {
    "shifted": f"mask shifted by {SHIFT_MM:.0f} mm",
    "halved": "mask halved",
    "smooth": "uptake inside smoothed",
    "hard": "content of another box pasted hard",
    "copy": "training lesion pasted back",
}

_LABELS = {
    "real": "real, held out",
    "tumor": "synthetic, over a tumor",
    "healthy": "synthetic, healthy site",
    "phantom": "synthetic, phantom",
}


@dataclass(frozen=True)
class _Tumor:
    """A tumor with the surroundings of its box, arrays (k, j, i) on ``grid``, SUV."""

    before: NDArray
    after: NDArray
    mask: NDArray[np.bool_]
    grid: Grid
    box: Box


def quality_gate(
    held_out: Sequence[Case], training: Sequence[Case], shown: Shown, lesions: TrainingLesions | None, seed: int = 0
) -> dict:
    """Computes scores of real, synthetic and spoiled tumors.

    Real lesions are the PET-avid parts of their contours, in a rough box. They have no seam, because nothing was
    pasted. Copies are training lesions pasted at their own size, in random orientation, into healthy tissue of a
    held-out patient.

    Args:
        held_out: cases that the training did not see.
        training: available training cases; without any, there are no copies.
        shown: sites and the tumors inserted there, one per seed.
        lesions: thumbnails of the training lesions in the bundle.
        seed: seed of shifts, cuts and rotations.

    Returns:
        ``groups``: for the real and for each group of synthetic tumors ``n``, quantiles of the ``total``, the share
        that passes, and medians of the parts. ``spoilt``: for each way to spoil tumors and each kind of tumor ``n``,
        the share that still passes, and ``auc``, the chance that an unspoiled tumor scores higher.
    """
    rng = np.random.default_rng(seed)
    real = [_real(case, lesion) for case in held_out for lesion in case.lesions]
    groups: dict[str, list[QualityScore]] = {"real": [_score(tumor, lesions) for tumor in real]}
    for group in GROUPS:
        groups[group] = [result.quality for site, results in shown if site.group == group for result in results]
    synthetic = [
        _tumor(site.box, site.image, result.image, result.mask) for site, results in shown for result in results
    ]
    kinds = {"real": real, "synthetic": [tumor for tumor in synthetic if tumor.mask.any()]}
    unspoilt = {"real": groups["real"], "synthetic": [found for group in GROUPS for found in groups[group]]}
    spoil: dict[str, Callable[[Sequence[_Tumor]], list[_Tumor]]] = {
        "shifted": lambda tumors: [_shifted(tumor, rng) for tumor in tumors],
        "halved": lambda tumors: [_halved(tumor, rng) for tumor in tumors],
        "smooth": lambda tumors: [_smoothed(tumor) for tumor in tumors],
        "hard": lambda tumors: [_pasted_hard(tumor, other) for tumor, other in _with_others(tumors)],
    }
    copies = _copies(training, [case for case in held_out if len(case.healthy_lps)], rng)
    spoilt: dict[str, dict] = {}
    for way in SPOILT:
        spoilt[way] = {}
        for kind, tumors in kinds.items():
            made = copies if way == "copy" else spoil[way](tumors)
            spoilt[way][kind] = _against(unspoilt[kind], [_score(tumor, lesions) for tumor in made])
    return {
        "least_quality": LEAST_QUALITY,
        "groups": {group: _summary(found) for group, found in groups.items()},
        "spoilt": spoilt,
    }


def gate_lines(found: dict) -> list[str]:
    """Returns the section of the report as Markdown; ``found`` is the result of ``quality_gate``."""
    rows = [
        [
            _LABELS[group],
            str(row["n"]),
            spread(row["q50"], row["q10"], row["q90"]),
            percent(row["passes"]),
            *[number(row["parts"][name]) for name in PARTS],
        ]
        for group, row in found["groups"].items()
        if row["n"]
    ]
    spoilt = [
        [SPOILT[way], kind, str(row["n"]), number(row["auc"]), percent(row["passes"])]
        for way, kinds in found["spoilt"].items()
        for kind, row in kinds.items()
        if row["n"]
    ]
    return [
        "## Quality gate",
        "",
        "The quality of a tumor, 0 to 1, is the score of its poorest part. Tumors pass from "
        f"{found['least_quality']:.2f} on. Median with the 10 % and 90 % quantiles; medians of the parts.",
        "",
        *table_lines(["", "n", "quality", "pass", *PARTS], rows),
        "The same tumors after spoiling: *AUC* is the chance that an unspoiled tumor scores higher (0.5 means that the "
        "gate detects nothing), *pass* the share that still passes. The mask of a large tumor still fits after a small "
        "shift.",
        "",
        *table_lines(["spoiled", "against", "n", "AUC", "pass"], spoilt),
    ]


def _score(tumor: _Tumor, lesions: TrainingLesions | None) -> QualityScore:
    return score(tumor.before, tumor.after, tumor.mask, tumor.grid, tumor.box, Expected(lesions))


def _summary(found: Sequence[QualityScore]) -> dict:
    if not found:
        return {"n": 0}
    return {
        **quantiles([one.total for one in found], (0.1, 0.5, 0.9)),
        "passes": float(np.mean([one.passes for one in found])),
        "parts": {name: median_of_known(one.parts[name] for one in found) for name in PARTS},
    }


def _against(good: Sequence[QualityScore], spoilt: Sequence[QualityScore]) -> dict:
    if not good or not spoilt:
        return {"n": 0}
    higher, lower = (np.array([one.total for one in some]) for some in (good, spoilt))
    return {
        "n": len(spoilt),
        "auc": ranking(higher, lower),
        "passes": float(np.mean([one.passes for one in spoilt])),
    }


def _tumor(box: Box, *images: sitk.Image) -> _Tumor:
    """Makes a tumor from scan, synthetic image and mask on one grid."""
    where, grid = block_around(box, Grid.from_image(images[0]), MARGIN_VOXELS)
    before, after, mask = (sitk.GetArrayViewFromImage(image)[where] for image in images)
    return _Tumor(before.astype(np.float32), after.astype(np.float32), mask > 0, grid, box)


def _avid_mask(case: Case, lesion: Lesion) -> sitk.Image:
    return Grid.from_image(case.image).image_from_array(tumor_mask(case, lesion).astype(np.uint8))


def _real(case: Case, lesion: Lesion) -> _Tumor:
    box = rough_box(lesion, float(np.mean(case.image.GetSpacing())))
    return _tumor(box, case.image, case.image, _avid_mask(case, lesion))


def _shifted(tumor: _Tumor, rng: np.random.Generator) -> _Tumor:
    direction = rng.normal(size=3)
    steps = SHIFT_MM * direction / np.linalg.norm(direction) / tumor.grid.spacing_mm[::-1]
    return replace(tumor, mask=ndimage.shift(tumor.mask.astype(np.uint8), np.rint(steps), order=0) > 0)


def _halved(tumor: _Tumor, rng: np.random.Generator) -> _Tumor:
    """Cuts the mask by a plane through its middle, and keeps one half."""
    voxels = np.argwhere(tumor.mask)
    along = (voxels * tumor.grid.spacing_mm[::-1]) @ rng.normal(size=3)
    mask = np.zeros_like(tumor.mask)
    mask[tuple(voxels[along >= np.median(along)].T)] = True
    return replace(tumor, mask=mask)


def _smoothed(tumor: _Tumor) -> _Tumor:
    """Smooths the uptake inside the mask; the tissue around does not enter."""
    sigma = SMOOTH_FWHM_MM / 2.355 / np.asarray(tumor.grid.spacing_mm[::-1])
    weight = ndimage.gaussian_filter(tumor.mask.astype(np.float32), sigma)
    smooth = ndimage.gaussian_filter(np.where(tumor.mask, tumor.after, 0), sigma) / np.maximum(weight, 1e-6)
    return replace(tumor, after=np.where(tumor.mask, smooth, tumor.after))


def _with_others(tumors: Sequence[_Tumor]) -> list[tuple[_Tumor, _Tumor]]:
    """Pairs each tumor with the next one at another place, if there is one."""
    pairs = []
    for n, tumor in enumerate(tumors):
        others = [other for other in (*tumors[n + 1 :], *tumors[:n]) if other.box != tumor.box]
        pairs += [(tumor, others[0])] if others else []
    return pairs


def _pasted_hard(tumor: _Tumor, other: _Tumor) -> _Tumor:
    """Replaces the content of the box, up to its faces, by that of the other box, stretched to its size."""
    inside = tumor.box.mask(tumor.grid)
    places = tumor.box.to_box(tumor.grid.index_to_lps(np.argwhere(inside)[:, ::-1]))
    there = other.box.to_lps(places * np.asarray(other.box.size_mm) / tumor.box.size_mm)
    where = other.grid.lps_to_index(there).T[::-1]
    after, mask = tumor.after.copy(), np.zeros_like(tumor.mask)
    after[inside] = ndimage.map_coordinates(other.after, where, order=1, mode="nearest")
    mask[inside] = ndimage.map_coordinates(other.mask.astype(np.float32), where, order=1) > 0.5
    return replace(tumor, after=after, mask=mask)


def _copies(training: Sequence[Case], hosts: Sequence[Case], rng: np.random.Generator) -> list[_Tumor]:
    """Pastes every training lesion, rotated, into healthy tissue of one of the hosts."""
    if not hosts:
        return []
    lesions = [(case, lesion) for case in training for lesion in case.lesions]
    made = [_copy(*lesion, host, rng) for lesion, host in zip(lesions, cycle(hosts), strict=False)]
    return [tumor for tumor in made if tumor.mask.any()]


def _copy(case: Case, lesion: Lesion, host: Case, rng: np.random.Generator) -> _Tumor:
    spacing_mm = float(np.mean(host.image.GetSpacing()))
    there = rough_box(lesion, spacing_mm, Rotation.random(rng=rng).as_matrix())
    here = Box(tuple(host.healthy_lps[rng.integers(len(host.healthy_lps))]), there.size_mm)
    i, j, k = (int(np.ceil(edge / spacing_mm)) + 2 * MARGIN_VOXELS for edge in there.size_mm)
    donor, patch = (WorkingPatch.of_size(box, (i, j, k), spacing_mm) for box in (there, here))
    suv, before = donor.sample(case.image), patch.sample(host.image)
    avid = sitk.Cast(_avid_mask(case, lesion), sitk.sitkFloat32)
    # Samples beyond the edges of the scan are mirrored.
    mask = (donor.sample(avid) > 0.5) & donor.inside(Grid.from_image(avid))
    weight = np.maximum(ndimage.gaussian_filter(mask.astype(np.float32), EDGE_FWHM_MM / 2.355 / spacing_mm), mask)
    return _Tumor(before, before * (1 - weight) + suv * weight, mask, patch.grid, here)
