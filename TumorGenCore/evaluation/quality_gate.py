"""Does the quality gate let real lesions pass, and does it stop spoiled ones?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from TumorGenCore.evaluation.insertion import GROUPS, ROUGH_MARGIN_MM, Shown
from TumorGenCore.evaluation.realism_text import number, table_lines
from TumorGenCore.geometry import Box, Grid
from TumorGenCore.mask_agreement import ranking
from TumorGenCore.patch import WorkingPatch
from TumorGenCore.pseudo_mask import tight_box
from TumorGenCore.quality import LEAST_QUALITY, MARGIN_VOXELS, PARTS, QualityScore, score
from TumorGenCore.training.data import Case, Lesion
from TumorGenCore.training.tumour_masks import tumour_mask
from TumorGenCore.training_lesions import TrainingLesions

__all__ = ["SPOILT", "gate_lines", "quality_gate"]

#: How far a mask is shifted, mm.
SHIFT_MM = 8.0
#: Blur of a pasted lesion's edge, full width at half maximum, mm.
EDGE_FWHM_MM = 6.0
#: Ways to spoil a tumour, and what the report calls them.
SPOILT = {
    "shifted": f"mask shifted by {SHIFT_MM:.0f} mm",
    "halved": "mask halved",
    "hard": "another box's content pasted hard",
    "copy": "a training lesion pasted back",
}

_LABELS = {
    "real": "real, held out",
    "tumour": "synthetic, over a tumour",
    "healthy": "synthetic, healthy site",
    "phantom": "synthetic, phantom",
}


@dataclass(frozen=True)
class _Tumour:
    """A tumour in its box's surroundings, arrays (k, j, i) on ``grid``, SUV."""

    before: NDArray
    after: NDArray
    mask: NDArray[np.bool_]
    grid: Grid
    box: Box


def quality_gate(
    held_out: Sequence[Case], training: Sequence[Case], shown: Shown, lesions: TrainingLesions | None, seed: int = 0
) -> dict:
    """Scores of real, synthetic and spoiled tumours.

    Real lesions are the PET-avid parts of their contours, in a rough box; having been pasted nowhere they show no seam.
    A training lesion is pasted back at its own size, turned at random, into a held-out patient's healthy tissue.

    Args:
        held_out: cases that the training did not see.
        training: those of the training's cases that are at hand; without any there are no copies.
        shown: sites and what was inserted there, one result a seed.
        lesions: what the bundle carries of its training lesions.
        seed: of shifts, cuts and turns.

    Returns:
        ``groups``: of the real and of each group of synthetic tumours ``n``, quantiles of the ``total``, the share that
        passes, and medians of the parts. ``spoilt``: of each way to spoil them and each kind of tumour, ``n``, the
        share that passes all the same, and ``auc``: the chance that an unspoiled one scores higher.
    """
    rng = np.random.default_rng(seed)
    real = [_real(case, lesion) for case in held_out for lesion in case.lesions]
    groups: dict[str, list[QualityScore]] = {"real": [_score(tumour, lesions) for tumour in real]}
    for group in GROUPS:
        groups[group] = [result.quality for site, results in shown if site.group == group for result in results]
    synthetic = [
        _Tumour(*_around(site.box, site.image, result.image, result.mask), site.box)
        for site, results in shown
        for result in results
    ]
    kinds = {"real": real, "synthetic": [tumour for tumour in synthetic if tumour.mask.any()]}
    unspoilt = {"real": groups["real"], "synthetic": [found for group in GROUPS for found in groups[group]]}
    spoil: dict[str, Callable[[Sequence[_Tumour]], list[_Tumour]]] = {
        "shifted": lambda tumours: [_shifted(tumour, rng) for tumour in tumours],
        "halved": lambda tumours: [_halved(tumour, rng) for tumour in tumours],
        "hard": lambda tumours: [_pasted_hard(tumour, other) for tumour, other in _with_others(tumours)],
    }
    copies = _copies(training, [case for case in held_out if len(case.healthy_lps)], rng)
    spoilt: dict[str, dict] = {}
    for way in SPOILT:
        spoilt[way] = {}
        for kind, tumours in kinds.items():
            made = copies if way == "copy" else spoil[way](tumours)
            spoilt[way][kind] = _against(unspoilt[kind], [_score(tumour, lesions) for tumour in made])
    return {
        "least_quality": LEAST_QUALITY,
        "groups": {group: _summary(found) for group, found in groups.items()},
        "spoilt": spoilt,
    }


def gate_lines(found: dict) -> list[str]:
    """The gate's section of the report, Markdown."""
    rows = [
        [
            _LABELS[group],
            str(row["n"]),
            f"{row['q50']:.2f} ({row['q10']:.2f} to {row['q90']:.2f})",
            f"{100 * row['passes']:.0f} %",
            *[number(row["parts"][name]) for name in PARTS],
        ]
        for group, row in found["groups"].items()
        if row["n"]
    ]
    spoilt = [
        [SPOILT[way], kind, str(row["n"]), number(row["auc"]), f"{100 * row['passes']:.0f} %"]
        for way, kinds in found["spoilt"].items()
        for kind, row in kinds.items()
        if row["n"]
    ]
    return [
        "## Quality gate",
        "",
        "Each tumour's quality, 0 to 1: as good as its poorest part. Those of "
        f"{found['least_quality']:.2f} and more pass. Median, and the 10 % and 90 % quantiles; medians of the parts.",
        "",
        *table_lines(["", "n", "quality", "pass", *PARTS], rows),
        "The same tumours spoiled: the chance that an unspoiled one scores higher (0.5 is no gate at all), and the "
        "share that passes all the same. A mask of a large tumour still fits when it is shifted a little.",
        "",
        *table_lines(["spoiled", "against", "n", "AUC", "pass"], spoilt),
    ]


def _score(tumour: _Tumour, lesions: TrainingLesions | None) -> QualityScore:
    return score(tumour.before, tumour.after, tumour.mask, tumour.grid, tumour.box, lesions)


def _summary(found: Sequence[QualityScore]) -> dict:
    if not found:
        return {"n": 0}
    totals = [one.total for one in found]
    parts = {name: [part for one in found if (part := one.parts[name]) is not None] for name in PARTS}
    return {
        "n": len(found),
        **{f"q{level}": float(np.percentile(totals, level)) for level in (10, 50, 90)},
        "passes": float(np.mean([one.passes for one in found])),
        "parts": {name: float(np.median(values)) if values else None for name, values in parts.items()},
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


def _around(box: Box, *images: sitk.Image) -> tuple[NDArray, NDArray, NDArray[np.bool_], Grid]:
    """Scan, synthetic image and mask around the box, and their grid."""
    grid = Grid.from_image(images[0])
    start, stop = box.index_bounds(grid, MARGIN_VOXELS)
    where = tuple(slice(a, b) for a, b in zip(start[::-1], stop[::-1], strict=True))
    before, after, mask = (sitk.GetArrayViewFromImage(image)[where] for image in images)
    return before.astype(np.float32), after.astype(np.float32), mask > 0, grid.region(start, stop - start)


def _avid_mask(case: Case, lesion: Lesion) -> sitk.Image:
    return Grid.from_image(case.image).image_from_array(tumour_mask(case, lesion).astype(np.uint8))


def _real(case: Case, lesion: Lesion) -> _Tumour:
    tight = tight_box(lesion.points_lps, np.eye(3), float(np.mean(case.image.GetSpacing())))
    x, y, z = (edge + 2 * ROUGH_MARGIN_MM for edge in tight.size_mm)
    box = Box(tight.center_lps, (x, y, z))
    return _Tumour(*_around(box, case.image, case.image, _avid_mask(case, lesion)), box)


def _shifted(tumour: _Tumour, rng: np.random.Generator) -> _Tumour:
    direction = rng.normal(size=3)
    steps = SHIFT_MM * direction / np.linalg.norm(direction) / tumour.grid.spacing_mm[::-1]
    return replace(tumour, mask=ndimage.shift(tumour.mask.astype(np.uint8), np.rint(steps), order=0) > 0)


def _halved(tumour: _Tumour, rng: np.random.Generator) -> _Tumour:
    """Cut by a plane, the smaller or equal half kept."""
    voxels = np.argwhere(tumour.mask)
    along = (voxels * tumour.grid.spacing_mm[::-1]) @ rng.normal(size=3)
    mask = np.zeros_like(tumour.mask)
    mask[tuple(voxels[along >= np.median(along)].T)] = True
    return replace(tumour, mask=mask)


def _with_others(tumours: Sequence[_Tumour]) -> list[tuple[_Tumour, _Tumour]]:
    """Each tumour with the next one of another place, if there is one."""
    pairs = []
    for n, tumour in enumerate(tumours):
        others = [other for other in (*tumours[n + 1 :], *tumours[:n]) if other.box != tumour.box]
        pairs += [(tumour, others[0])] if others else []
    return pairs


def _pasted_hard(tumour: _Tumour, other: _Tumour) -> _Tumour:
    """The other box's content in this one, stretched to its size, up to the faces."""
    inside = tumour.box.mask(tumour.grid)
    places = tumour.box.to_box(tumour.grid.index_to_lps(np.argwhere(inside)[:, ::-1]))
    there = other.box.to_lps(places * np.asarray(other.box.size_mm) / tumour.box.size_mm)
    where = other.grid.lps_to_index(there).T[::-1]
    after, mask = tumour.after.copy(), np.zeros_like(tumour.mask)
    after[inside] = ndimage.map_coordinates(other.after, where, order=1, mode="nearest")
    mask[inside] = ndimage.map_coordinates(other.mask.astype(np.float32), where, order=1) > 0.5
    return replace(tumour, after=after, mask=mask)


def _copies(training: Sequence[Case], hosts: Sequence[Case], rng: np.random.Generator) -> list[_Tumour]:
    """Every training lesion, turned, in healthy tissue of one of the hosts."""
    if not hosts:
        return []
    lesions = [(case, lesion) for case in training for lesion in case.lesions]
    made = [_copy(*lesion, host, rng) for lesion, host in zip(lesions, cycle(hosts), strict=False)]
    return [tumour for tumour in made if tumour.mask.any()]


def _copy(case: Case, lesion: Lesion, host: Case, rng: np.random.Generator) -> _Tumour:
    spacing_mm = float(np.mean(host.image.GetSpacing()))
    tight = tight_box(lesion.points_lps, Rotation.random(rng=rng).as_matrix(), spacing_mm)
    x, y, z = (edge + 2 * ROUGH_MARGIN_MM for edge in tight.size_mm)
    there = Box(tight.center_lps, (x, y, z), tight.axes)
    here = Box(tuple(host.healthy_lps[rng.integers(len(host.healthy_lps))]), there.size_mm)
    i, j, k = (int(np.ceil(edge / spacing_mm)) + 2 * MARGIN_VOXELS for edge in there.size_mm)
    donor, patch = (WorkingPatch.of_size(box, (i, j, k), spacing_mm) for box in (there, here))
    suv, before = donor.sample(case.image), patch.sample(host.image)
    avid = sitk.Cast(_avid_mask(case, lesion), sitk.sitkFloat32)
    # Beyond the scan's edges the samples are mirrored.
    mask = (donor.sample(avid) > 0.5) & donor.inside(Grid.from_image(avid))
    weight = np.maximum(ndimage.gaussian_filter(mask.astype(np.float32), EDGE_FWHM_MM / 2.355 / spacing_mm), mask)
    return _Tumour(before, before * (1 - weight) + suv * weight, mask, patch.grid, here)
