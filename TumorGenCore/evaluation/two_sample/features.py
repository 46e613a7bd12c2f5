"""Features of a lesion for the two-sample test, in groups that a reader would name."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from TumorGenCore.evaluation.features.lesion_shape import sphericity
from TumorGenCore.evaluation.two_sample.boxed import BoxedLesion
from TumorGenCore.lesions.border import border_anisotropy, depth_mm, profile, steepest_fall
from TumorGenCore.lesions.form import elongation, lumps, solidity
from TumorGenCore.lesions.texture import AXES, autocorrelation, noise_share, roughness

__all__ = ["GROUPS", "lesion_features"]

#: Shells around the border, mm, positive inside the lesion.
BORDER_MM = (-6.0, -3.0, 0.0, 3.0, 6.0)
OUTSIDE_MM = (-20.0, -14.0, -10.0, -6.0)
#: Depth from which on a lesion has a core, mm.
CORE_MM = 6.0

Features = dict[str, float]


def lesion_features(lesion: BoxedLesion) -> dict[str, Features]:
    """Measures a lesion, by group (``GROUPS``); NaN where a feature cannot be measured, all NaN for an empty mask."""
    if not lesion.mask.any() or lesion.mask.all():
        return _empty()
    tissue = lesion.tissue_suv
    top = float(np.percentile(lesion.suv[lesion.mask], 95))
    depth = depth_mm(lesion.mask, lesion.spacing_mm)
    seen = _Seen(lesion, depth, tissue, top, max(top - tissue, 1e-3))
    return {name: measure(seen) for name, measure in GROUPS.items()}


class _Seen:
    """A lesion with what several groups need."""

    def __init__(self, lesion: BoxedLesion, depth: NDArray, tissue: float, top: float, height: float) -> None:
        self.suv, self.mask, self.box = lesion.suv.astype(np.float64), lesion.mask, lesion.box
        self.spacing_mm, self.depth = lesion.spacing_mm, depth
        self.tissue, self.top, self.height = tissue, top, height
        self.uptake = self.suv[self.mask]


def _uptake(seen: _Seen) -> Features:
    uptake, top = seen.uptake, max(seen.top, 1e-3)
    return {
        "log_p95": math.log(top),
        "log_max": math.log(max(float(uptake.max()), 1e-3)),
        "log_contrast": math.log(top / max(seen.tissue, 0.05)),
        "max_over_p95": float(uptake.max()) / top,
        "mean_over_p95": float(uptake.mean()) / top,
        "low_over_p95": float(np.percentile(uptake, 10)) / top,
        "skewness": float(stats.skew(uptake)),
        "kurtosis": float(stats.kurtosis(uptake)),
    }


def _texture(seen: _Seen) -> Features:
    along = {f"lag1_{name}": autocorrelation(seen.suv, seen.mask, axis) for axis, name in enumerate(AXES)}
    along |= {f"lag2_{name}": autocorrelation(seen.suv, seen.mask, axis, 2) for axis, name in enumerate(AXES)}
    return {
        **along,
        "noise_share": noise_share(seen.suv, seen.mask, seen.spacing_mm),
        "roughness": roughness(seen.suv, seen.mask, seen.spacing_mm),
        "variation": float(seen.uptake.std() / max(seen.uptake.mean(), 1e-3)),
    }


def _border(seen: _Seen) -> Features:
    rim = np.abs(seen.depth) <= float(np.max(seen.spacing_mm))
    shells = profile(seen.suv, seen.depth, BORDER_MM, seen.tissue, seen.height)
    return {
        **{f"at_{low:g}_mm": float(value) for low, value in zip(BORDER_MM, shells, strict=False)},
        "fall": steepest_fall(seen.suv, seen.depth, seen.spacing_mm, seen.height),
        "anisotropy": border_anisotropy(seen.suv, seen.depth, seen.spacing_mm),
        "spread": float(((seen.suv[rim] - seen.tissue) / seen.height).std()),
    }


def _shape(seen: _Seen) -> Features:
    middle, short = elongation(seen.mask, seen.spacing_mm)
    soft = ndimage.gaussian_filter(seen.mask.astype(np.float64), 4.0 / np.asarray(seen.spacing_mm[::-1]))
    return {
        "log_volume": math.log(float(seen.mask.sum() * np.prod(seen.spacing_mm))),
        "fill": float(seen.mask.sum() / seen.box.sum()),
        "sphericity": sphericity(seen.mask, seen.spacing_mm),
        "solidity": solidity(seen.mask, seen.spacing_mm),
        "middle_axis": middle,
        "short_axis": short,
        "lumps": float(lumps(seen.mask, seen.spacing_mm)),
        "mask_anisotropy": border_anisotropy(soft, seen.depth, seen.spacing_mm),
    }


def _surroundings(seen: _Seen) -> Features:
    shells = profile(seen.suv, seen.depth, OUTSIDE_MM, seen.tissue, seen.height)
    near = (seen.depth < -6) & (seen.depth > -14)
    return {
        **{f"at_{low:g}_mm": float(value) for low, value in zip(OUTSIDE_MM, shells, strict=False)},
        "spread": float(seen.suv[near].std() / seen.height) if near.any() else math.nan,
        "roughness": roughness(seen.suv, near, seen.spacing_mm),
    }


def _core(seen: _Seen) -> Features:
    smooth = ndimage.gaussian_filter(seen.suv, 3.0 / np.asarray(seen.spacing_mm[::-1]))
    deep = seen.depth > CORE_MM
    middle = seen.depth >= np.percentile(seen.depth[seen.mask], 67)
    outer = seen.mask & (seen.depth <= np.percentile(seen.depth[seen.mask], 33))
    return {
        "coldest": float(smooth[deep].min() / seen.top) if deep.any() else math.nan,
        "cold_share": float((seen.suv[deep] < 0.41 * seen.top).sum() / seen.mask.sum()),
        "middle_over_outer": float(seen.suv[middle].mean() / max(seen.suv[outer].mean(), 1e-3)),
    }


#: Groups of features, in the order of the report.
GROUPS: dict[str, Callable[[_Seen], Features]] = {
    "uptake": _uptake,
    "texture": _texture,
    "border": _border,
    "shape": _shape,
    "surroundings": _surroundings,
    "core": _core,
}


def _empty() -> dict[str, Features]:
    """All features of a ball, as NaN."""
    k, j, i = np.indices((15, 15, 15)) - 7
    ball = k**2 + j**2 + i**2 <= 25
    box = np.maximum.reduce([np.abs(k), np.abs(j), np.abs(i)]) <= 6
    found = lesion_features(BoxedLesion("", 0, ball.astype(np.float32) + 1, ball, box, (3.0, 3.0, 3.0)))
    return {group: dict.fromkeys(features, math.nan) for group, features in found.items()}
