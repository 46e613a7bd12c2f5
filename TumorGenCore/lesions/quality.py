"""The quality gate: how good one synthetic tumor is, from 0 to 1, and in plain words what is poor about it.

Four parts: the mask lies on the uptake that it marks; the box's faces show no seam; volume and uptake are what lesions
are known to have; it is no copy of a training lesion. A tumor is as good as its poorest part. The limits below were
set on real held-out lesions and on spoiled tumors; `tumorgen evaluate` prints how both fare.
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

#: The gate: a tumor with a lower total is poor, and a part that is lower is named among the reasons.
LEAST_QUALITY = 0.6
#: What is lower is drawn again where several are asked for. It is more than the gate: on training patients a segmenter
#: agrees the better with a mask the higher the total is, and this asks for a tenth to a quarter more tumors.
GOOD_QUALITY = 0.9
#: Voxels around the box that the measures look at.
MARGIN_VOXELS = 4

#: Where each measure of the mask against the uptake is worth 0, and from where on 1.
UPTAKE_RAMPS = {"overlap": (0.0, 0.8), "cover": (0.1, 1.0), "edge": (0.5, 0.95)}
#: Steepness across the faces over the scan's: 1 up to the first, 0 from the second on.
SEAM_RAMP = (1.2, 2.2)
#: Distance and ratio (``Neighbor``) over the training lesions' 5th percentiles: 0 where both are below the first, 1
#: where either is above the second.
NOVELTY_RAMP = (0.4, 0.7)

#: What lesions usually are; a bundle may carry its own (``bundle.tuning``). Of each measure 0.5 here, 1 from here on,
#: 1 up to here, 0.5 here; the part reaches 0 at ``BEYOND`` times the outer values.
#: The inner are 5 and 95 %, the outer 1 and 99 % quantiles of lesions, over whichever is wider of 4,282 FDG lesions of
#: autoPET (Gatidis et al., Sci. Data 2022, 9, 601) and 1,573 of HECKTOR (Oreiller et al., Med. Image Anal. 2022, 77,
#: 102336), from per-lesion tables of 10.5281/zenodo.19936563. These tables begin at 1 ml, so for small volumes their
#: 1 % is the inner value and a third of it the outer. Sarcomas are larger: the upper volumes are 95 % and maximum of
#: the 32 that the shipped bundle was trained on (10.7937/K9/TCIA.2015.7GO2GSKS).
FIELD_BOUNDS: dict[str, Bounds] = {
    "volume_ml": (0.34, 1.033, 828.0, 2339.0),
    "suv_max": (1.899, 2.990, 45.995, 69.275),
    "mean_over_max": (0.142, 0.191, 0.762, 0.823),
}
BEYOND = 2.0

#: The parts, and what a low one means in few words.
PARTS = {
    "uptake": "mask off the uptake",
    "seam": "seam",
    "statistics": "unusual volume or uptake",
    "novelty": "near to a training lesion",
}
_NO_LESIONS = "The model carries no training lesions: copies of them were not looked for."
_NO_FACES = "No face of the box lies in textured tissue: seams were not looked for."


@dataclass(frozen=True)
class Expected:
    """What a tumor is held against.

    Args:
        lesions: the training lesions; None leaves that part out.
        bounds: what volume, SUVmax and SUVmean over SUVmax of lesions usually are.
        asked: names in ``bounds`` that the user asked for, which are not judged.
    """

    lesions: TrainingLesions | None = None
    bounds: Mapping[str, Bounds] = field(default_factory=lambda: FIELD_BOUNDS)
    asked: Collection[str] = ()


@dataclass(frozen=True)
class QualityScore:
    """How good one tumor is; every number 0 (poor) to 1.

    Args:
        total: the lowest of the parts that were looked at; 0 where no tumor grew.
        parts: by their names in ``PARTS``; None where one was not looked at.
        reasons: what is poor, in plain words.
        left_out: why a part was not looked at.
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
        """The total, 0 to 100, as it is shown."""
        return round(100 * self.total)

    @property
    def weakness(self) -> str:
        """The lowest part in few words."""
        known = {name: part for name, part in self.parts.items() if part is not None}
        return PARTS[min(known, key=lambda name: known[name])] if known else "no tumor grew"

    def as_dict(self) -> dict:
        """Ready for JSON."""
        parts = {name: None if part is None else round(part, 3) for name, part in self.parts.items()}
        return {
            "total": round(self.total, 3),
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
    """Score one tumor.

    Args:
        before: the untouched scan around the box, SUV (k, j, i); four voxels around it are enough.
        after: the same with the tumor.
        mask: the tumor, (k, j, i).
        grid: of all three.
        box: where it was inserted.
        expected: what it is held against.
    """
    expected = expected or Expected()
    if not mask.any():
        return QualityScore(0.0, dict.fromkeys(PARTS), ("No tumor grew.",))
    found = [
        _uptake(after, mask, grid, box),
        _seam(before, after, grid, box),
        _statistics(after, mask, grid, expected),
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
    """``score`` of a tumor in a whole volume, of which only the box's surroundings are read.

    Args:
        before: the untouched scan.
        after: the voxels with the tumor, (k, j, i), of the block that begins at ``start_ijk``.
        tumor: 0/1 of the same voxels.
        start_ijk: first voxel of the block, which lies within the box's surroundings.
        box: where it was inserted.
        suv_factor: SUV per unit of both.
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
    """Of several tumors in one image, the score of the poorest: an image is as good as that."""
    return min(scores, key=lambda one: one.total)


@dataclass(frozen=True)
class _Part:
    """A part's value, and what to say of it where it is poor or was left out."""

    name: str
    value: float | None
    words: str


def _uptake(suv: NDArray, mask: NDArray[np.bool_], grid: Grid, box: Box) -> _Part:
    inside = box.mask(grid)
    measured = {
        "overlap": uptake_dice(suv, mask, inside),
        "cover": uptake_cover(suv, mask, inside),
        "edge": edge_contrast(suv, mask, grid.spacing_mm),
    }
    # Their geometric mean: a mask that fails in one respect does not fit.
    value = math.prod(_ramp(measured[name], *UPTAKE_RAMPS[name]) for name in UPTAKE_RAMPS) ** (1 / len(UPTAKE_RAMPS))
    words = (
        f"The mask does not follow the uptake: it covers {100 * measured['cover']:.0f} % of it, and they overlap by "
        f"{100 * measured['overlap']:.0f} % (Dice)."
    )
    return _Part("uptake", value, words)


def _seam(before: NDArray, after: NDArray, grid: Grid, box: Box) -> _Part:
    ratio = seam_ratio(before, after, grid, box)
    if ratio is None:
        return _Part("seam", None, _NO_FACES)
    words = f"A seam may show: across the box's faces the image is {ratio:.1f} times as steep as the scan."
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
    """1 among the usual values, 0.5 where 1 in 100 lesions lies beyond, falling to 0; linear in the logarithm."""
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


def _novelty(suv: NDArray, mask: NDArray[np.bool_], grid: Grid, lesions: TrainingLesions | None) -> _Part:
    if lesions is None:
        return _Part("novelty", None, _NO_LESIONS)
    found, usual = lesions.nearest(suv, mask, grid.spacing_mm), lesions.usual
    return _Part("novelty", _ramp(_apartness(found, usual), *NOVELTY_RAMP), "It repeats one training lesion closely.")


def _apartness(found: Neighbor, usual: Neighbor) -> float:
    """A copy is both nearer and more singled out than real lesions are; either alone is a plain lump."""
    return max(found.distance / max(usual.distance, 1e-6), found.ratio / max(usual.ratio, 1e-6))


def _ramp(value: float, zero: float, one: float) -> float:
    return float(np.clip((value - zero) / (one - zero), 0, 1))
