"""The quality gate: a score from 0 to 1 for one synthetic tumor, and plain words for what is poor about it.

The score has six parts: the mask lies on the uptake that it marks; the faces of the box show no seam; volume and
uptake are usual for lesions; shape and texture are those of real lesions of like size; the tumor is not a copy of a
training lesion. The total is the lowest part. The limits below were set on real held-out lesions and on spoiled tumors,
those of shape and texture on training patients; `tumorgen evaluate` prints the scores of real and spoiled ones.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.lesions.agreement import edge_contrast, uptake_cover, uptake_dice
from TumorGenCore.lesions.seams import seam_ratio
from TumorGenCore.lesions.thumbnails import Neighbor, TrainingLesions
from TumorGenCore.lesions.traits import lesion_traits, trait_deviation
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.voxels import read_region

__all__ = [
    "FIELD_BOUNDS",
    "GOOD_QUALITY",
    "LEAST_QUALITY",
    "Bounds",
    "Expected",
    "QualityScore",
    "score",
    "score_region",
    "worst",
]

#: See ``FIELD_BOUNDS``.
Bounds = tuple[float, float, float, float]

#: The gate: a tumor with a lower total is poor, and the reasons name each part below this value.
LEAST_QUALITY = 0.6
#: When a user asks for several tumors, those below this value are replaced by new ones. It is higher than the gate.
GOOD_QUALITY = 0.75
#: Width of the surroundings of the box that the measures use, in voxels.
MARGIN_VOXELS = 4

#: For each measure of mask and uptake: the value that scores 0, and the value from which on it scores 1.
UPTAKE_RAMPS = {"overlap": (0.0, 0.8), "cover": (0.1, 1.0), "edge": (0.5, 0.95)}
#: An inserted tumor that changes the uptake of its voxels by a smaller mean share of it is no tumor. Tumors with a good
#: total change it by half and more.
LEAST_CHANGE = 0.1
#: Below this value of ``edge_contrast`` the mask's voxels count as no hotter than the tissue around; equal uptake has
#: 0.5.
LEAST_EDGE = 0.6
#: Steepness across the faces divided by that of the scan: score 1 up to the first value, 0 from the second value on.
SEAM_RAMP = (1.2, 2.2)
#: Distance and ratio (``Neighbor``) divided by the training lesions' 5th percentiles: score 0 if both are below the
#: first value, 1 if either is above the second.
NOVELTY_RAMP = (0.4, 0.7)

#: The limits of the deviation of a trait from that of real lesions of like size (``trait_deviation``). At a limit a
#: trait scores 0.6. Below the first, a shape sprawls and a texture is too smooth; above the second, a shape is too
#: regular and a texture too noisy. Of the 37 training lesions of the shipped bundle, each judged by those of the other
#: patients, 95 % lie within either pair. Noise has a tail to the upper side, so its upper limit is further out.
TRAIT_LIMITS = {"solidity": (-2.4, 2.4), "grain": (-1.9, 3.4)}
#: Deviation over its limit: score 0 from the first value on, 1 up to the second; 0.6 at 1.
TRAIT_RAMP = (2.125, 0.25)

#: Usual values of lesions; a bundle may carry its own (``bundle.tuning``). A measure scores 0.5 at the first and the
#: fourth value and 1 between the second and the third. It reaches 0 at the first value divided by ``BEYOND``, and at
#: the fourth multiplied by it.
#: The inner values are the 5 and 95 % quantiles of lesions, the outer values the 1 and 99 % quantiles. Each is the
#: wider one of two sets: 4,282 FDG lesions of autoPET (Gatidis et al., Sci. Data 2022, 9, 601) and 1,573 of HECKTOR
#: (Oreiller et al., Med. Image Anal. 2022, 77, 102336), per-lesion tables of 10.5281/zenodo.19936563. These tables
#: begin at 1 ml. So the lower inner volume is their 1 % quantile, and the outer one is a third of it. Sarcomas are
#: larger: the upper volumes are the 95 % quantile and the maximum of the 32 sarcomas on which the shipped bundle was
#: trained (10.7937/K9/TCIA.2015.7GO2GSKS).
FIELD_BOUNDS: dict[str, Bounds] = {
    "volume_ml": (0.34, 1.033, 828.0, 2339.0),
    "suv_max": (1.899, 2.990, 45.995, 69.275),
    "mean_over_max": (0.142, 0.191, 0.762, 0.823),
}
BEYOND = 2.0

#: The parts, and the meaning of a low score in a few words.
PARTS = {
    "uptake": "a mask that misses the uptake",
    "seam": "a seam",
    "statistics": "unusual volume or uptake",
    "shape": "unusual shape",
    "texture": "unusual texture",
    "novelty": "likeness to a training lesion",
}
#: The trait that a part looks at.
_TRAIT_OF = {"shape": "solidity", "texture": "grain"}
#: What is poor if the trait is below, and if it is above that of real lesions.
_TRAIT_WORDS = {
    "shape": (
        "It is more ragged or branched than real lesions of this size.",
        "Its shape is more regular than that of real lesions of this size.",
    ),
    "texture": (
        "Its uptake is smoother than that of real lesions of this size in so noisy a scan.",
        "Its uptake is noisier than that of real lesions of this size in such a scan.",
    ),
}
_NO_LESIONS = "The model carries no training lesions, so the check for copies of them was left out."
_NO_TRAITS = "The model carries no shape and texture of training lesions, so the {} was not judged."
_NO_GRAIN = "The tumor is too small to judge its texture."
_NO_FACES = "No face of the box lies in textured tissue, so the check for seams was left out."


@dataclass(frozen=True)
class Expected:
    """References for the score of a tumor.

    Args:
        lesions: the training lesions; None leaves out the parts that need them.
        bounds: usual volume, SUVmax and SUVmean over SUVmax of lesions.
        asked: names in ``bounds`` that the user chose; they are not judged.
        inserted: whether the tumor was inserted in the scan. Then its mask must mark a change of the scan.
    """

    lesions: TrainingLesions | None = None
    bounds: Mapping[str, Bounds] = field(default_factory=lambda: FIELD_BOUNDS)
    asked: Collection[str] = ()
    inserted: bool = False


@dataclass(frozen=True)
class QualityScore:
    """Quality of one tumor; all numbers from 0 (poor) to 1 (good).

    Args:
        total: the lowest of the parts that were checked; 0 if no tumor grew.
        parts: scores by their names in ``PARTS``; None for a part that was not checked.
        reasons: what is poor, in plain words.
        left_out: for each part that was not checked, why.
    """

    total: float
    parts: dict[str, float | None]
    reasons: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the total reaches ``LEAST_QUALITY``."""
        return self.total >= LEAST_QUALITY

    @property
    def percent(self) -> int:
        """The total as users see it, 0 to 100."""
        return round(100 * self.total)

    @property
    def weakness(self) -> str:
        """The lowest part in a few words."""
        known = {name: part for name, part in self.parts.items() if part is not None}
        return PARTS[min(known, key=lambda name: known[name])] if known else "no tumor"

    def as_dict(self) -> dict:
        """Returns the score as JSON values."""
        parts = {name: None if part is None else round(part, 3) for name, part in self.parts.items()}
        return {
            "total": round(self.total, 3),
            "passes": self.passes,
            "parts": parts,
            "reasons": list(self.reasons),
            "left_out": list(self.left_out),
        }


def score(
    before: NDArray,
    after: NDArray,
    mask: NDArray[np.bool_],
    grid: Grid,
    box: Box,
    expected: Expected | None = None,
) -> QualityScore:
    """Scores one tumor.

    Args:
        before: the original scan, SUV (k, j, i); four voxels around the box are enough.
        after: the same with the tumor.
        mask: the tumor, (k, j, i).
        grid: grid of all three.
        box: the box in which the tumor was inserted.
        expected: references for the score.
    """
    expected = expected or Expected()
    if not mask.any():
        return QualityScore(0.0, dict.fromkeys(PARTS), ("No tumor grew.",))
    found = [
        _uptake(before, after, mask, grid, box, expected.inserted),
        _seam(before, after, grid, box),
        _statistics(after, mask, grid, expected),
        *_traits(before, after, mask, grid, expected.lesions),
        _novelty(after, mask, grid, expected.lesions),
    ]
    known = [part.value for part in found if part.value is not None]
    return QualityScore(
        total=min(known),
        parts={part.name: part.value for part in found},
        reasons=tuple(part.words for part in found if part.value is not None and part.value < LEAST_QUALITY),
        left_out=tuple(part.words for part in found if part.value is None),
    )


def score_region(
    before: sitk.Image,
    after: NDArray,
    tumor: NDArray[np.uint8],
    start_ijk: Sequence[int],
    box: Box,
    suv_factor: float,
    expected: Expected | None = None,
) -> QualityScore:
    """``score`` of a tumor in a whole volume; reads only the surroundings of the box.

    Args:
        before: the original scan.
        after: voxels of a block with the tumor, (k, j, i).
        tumor: the mask of the same voxels, 0/1.
        start_ijk: first voxel of the block, which lies inside the surroundings of the box.
        box: the box in which the tumor was inserted.
        suv_factor: factor from voxel values of both to SUV.
        expected: see ``score``.
    """
    grid = Grid.from_image(before)
    start, stop = box.index_bounds(grid, MARGIN_VOXELS)
    size = (stop - start).tolist()
    old = read_region(before, start.tolist(), size)
    new, mask = old.copy(), np.zeros(old.shape, dtype=bool)
    first = (np.asarray(start_ijk) - start)[::-1]
    block = tuple(slice(a, a + n) for a, n in zip(first, tumor.shape, strict=True))
    new[block], mask[block] = after, tumor
    return score(old * suv_factor, new * suv_factor, mask, grid.region(start, size), box, expected)


def worst(scores: Iterable[QualityScore]) -> QualityScore:
    """Returns the lowest score of several tumors in one image; it is the score of the image."""
    return min(scores, key=lambda one: one.total)


@dataclass(frozen=True)
class _Part:
    """Score of one part, and the words for it if it is poor or was left out."""

    name: str
    value: float | None
    words: str


def _uptake(before: NDArray, suv: NDArray, mask: NDArray[np.bool_], grid: Grid, box: Box, inserted: bool) -> _Part:
    change = float(np.abs(suv[mask] - before[mask]).mean() / max(abs(float(suv[mask].mean())), 1e-6))
    if inserted and change < LEAST_CHANGE:
        words = (
            "The mask marks no tumor: the tissue was as hot as the tumor, and the insertion changed its uptake by "
            f"only {100 * change:.0f} %."
        )
        return _Part("uptake", 0.0, words)
    inside = box.mask(grid)
    measured = {
        "overlap": uptake_dice(suv, mask, inside),
        "cover": uptake_cover(suv, mask, inside),
        "edge": edge_contrast(suv, mask, grid.spacing_mm),
    }
    # A geometric mean, because a mask does not fit if it fails in one respect.
    value = math.prod(_ramp(measured[name], *UPTAKE_RAMPS[name]) for name in UPTAKE_RAMPS) ** (1 / len(UPTAKE_RAMPS))
    words = (
        f"The mask does not follow the uptake. It covers {100 * measured['cover']:.0f} % of the uptake, and their "
        f"overlap is {100 * measured['overlap']:.0f} % (Dice)."
    )
    if measured["edge"] < LEAST_EDGE:
        words += " The voxels of the mask are not hotter than the tissue around it, so it may mark no tumor."
    return _Part("uptake", value, words)


def _seam(before: NDArray, after: NDArray, grid: Grid, box: Box) -> _Part:
    ratio = seam_ratio(before, after, grid, box)
    if ratio is None:
        return _Part("seam", None, _NO_FACES)
    words = f"A seam may be visible: across the faces of the box the image is {ratio:.1f} times as steep as the scan."
    return _Part("seam", 1 - _ramp(ratio, *SEAM_RAMP), words)


def _statistics(suv: NDArray, mask: NDArray[np.bool_], grid: Grid, expected: Expected) -> _Part:
    uptake = suv[mask]
    suv_max = float(uptake.max())
    measured = {
        "volume_ml": uptake.size * float(np.prod(grid.spacing_mm)) / 1000,
        "suv_max": suv_max,
        "mean_over_max": float(uptake.mean()) / suv_max if suv_max > 0 else 0.0,
    }
    bounds = {name: expected.bounds[name] for name in measured if name not in expected.asked}
    judged = {name: _plausibility(bounds[name], measured[name]) for name in bounds}
    poorest = min(judged, key=lambda name: judged[name])
    return _Part("statistics", judged[poorest], _rarity(poorest, bounds[poorest], measured[poorest]))


def _plausibility(bounds: Bounds, value: float) -> float:
    """Score of a value: 1 for usual values, 0.5 at the outer bounds, then falling to 0; linear in the logarithm."""
    low, usual_low, usual_high, high = bounds
    if value <= 0:
        return 0.0
    places = np.log([low / BEYOND, low, usual_low, usual_high, high, high * BEYOND])
    return float(np.interp(math.log(value), places, [0, 0.5, 1, 1, 0.5, 0]))


def _rarity(name: str, bounds: Bounds, value: float) -> str:
    low, *_, high = bounds
    shown = {
        "volume_ml": f"volume, {value:.1f} ml,",
        "suv_max": f"SUVmax, {value:.1f},",
        "mean_over_max": f"SUVmean over SUVmax, {value:.2f},",
    }[name]
    side = "low" if value < math.sqrt(low * high) else "high"
    return f"Its {shown} is unusually {side} for a lesion."


def _traits(
    before: NDArray, suv: NDArray, mask: NDArray[np.bool_], grid: Grid, lesions: TrainingLesions | None
) -> list[_Part]:
    if lesions is None or lesions.traits is None:
        return [_Part(part, None, _NO_TRAITS.format(part)) for part in _TRAIT_OF]
    found = lesion_traits(suv, mask, before, grid.spacing_mm)
    return [_trait(part, trait_deviation(name, found, lesions.traits)) for part, name in _TRAIT_OF.items()]


def _trait(part: str, deviation: float | None) -> _Part:
    if deviation is None:
        return _Part(part, None, _NO_GRAIN if part == "texture" else _NO_TRAITS.format(part))
    below = deviation < 0
    limit = TRAIT_LIMITS[_TRAIT_OF[part]][0 if below else 1]
    return _Part(part, _ramp(deviation / limit, *TRAIT_RAMP), _TRAIT_WORDS[part][0 if below else 1])


def _novelty(suv: NDArray, mask: NDArray[np.bool_], grid: Grid, lesions: TrainingLesions | None) -> _Part:
    if lesions is None:
        return _Part("novelty", None, _NO_LESIONS)
    found, usual = lesions.nearest(suv, mask, grid.spacing_mm), lesions.usual
    return _Part("novelty", _ramp(_apartness(found, usual), *NOVELTY_RAMP), "It nearly copies one training lesion.")


def _apartness(found: Neighbor, usual: Neighbor) -> float:
    """Larger of relative distance and relative ratio. A copy has both small; a plain lump may have one small."""
    return max(found.distance / max(usual.distance, 1e-6), found.ratio / max(usual.ratio, 1e-6))


def _ramp(value: float, zero: float, one: float) -> float:
    return float(np.clip((value - zero) / (one - zero), 0, 1))
