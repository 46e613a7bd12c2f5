"""What is known about each lesion of a synthetic volume: the values of its row in the truth table.

Everything is measured on the final voxels: after all insertions and after rounding to the scan's voxel type.
``truth_table`` has the columns with their units and definitions. This module imports no torch.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.lesions.ball import ball_diameter_mm
from TumorGenCore.lesions.extent import around
from TumorGenCore.lesions.form import axis_lengths_mm, ball_radius_mm, solidity
from TumorGenCore.lesions.measures import PEAK_RADIUS_MM, LesionMeasures, measure_lesion
from TumorGenCore.lesions.surroundings import SHELL_MM, Surroundings, shell, surroundings
from TumorGenCore.version import software_version
from TumorGenCore.volumes.voxels import read_region

if TYPE_CHECKING:
    from TumorGenCore.insertion.resolved import UptakeTarget
    from TumorGenCore.insertion.tumor import Tumor
    from TumorGenCore.insertion.variants import Variant

__all__ = ["lesion_rows"]

#: Values of a row by column: numbers, texts and truths; None for what is not known.
Row = dict[str, Any]

_AXES = ("i", "j", "k"), ("x", "y", "z"), ("1", "2", "3")
#: Significant digits of numbers, as many as 32 bits hold.
_DIGITS = 7


def lesion_rows(variant: Variant) -> tuple[Row, ...]:
    """Returns a row for each lesion, in the order of insertion.

    A row has all columns of ``truth_table`` but those about person and files.

    Args:
        variant: the synthetic volume; it reads only the surroundings of its lesions.
    """
    return tuple(_row(variant, n) for n in range(len(variant.tumors)))


def _row(variant: Variant, n: int) -> Row:
    tumor, scan = variant.tumors[n], variant.tumors[0].prepared
    where = _Surveyed(variant, n)
    measured = measure_lesion(where.after, where.lesion, where.spacing_mm)
    background = surroundings(where.after, where.shell)
    row = {
        "statement": STATEMENT,
        "software_version": software_version(),
        "bundle": tumor.maker.bundle.name,
        "bundle_version": str(tumor.maker.bundle.version),
        "patient": f"synthetic-{scan.input_hash()[:8]}",
        "simulation": f"seed{variant.seed}",
        "lesion": n + 1,
        "seed": int(tumor.seed),
        **_asked(tumor, measured),
        **_place(tumor, where),
        **_shape(tumor, where, measured),
        **_uptake(where, measured, background),
        **_surroundings(where, measured, background),
        **_activity(tumor, measured, background),
        "quality": tumor.quality.total,
        "quality_passes": tumor.quality.passes,
        "warnings": " ".join(tumor.warnings),
    }
    return {name: _plain(value) for name, value in row.items()}


class _Surveyed:
    """A lesion in a crop of the volume that holds its shell and the sphere of its SUVpeak; arrays are (k, j, i).

    Args:
        variant: the synthetic volume.
        n: number of the lesion, from 0.
    """

    def __init__(self, variant: Variant, n: int) -> None:
        scan = variant.tumors[0].prepared
        self.grid, self.spacing_mm, factor = scan.grid, scan.grid.right_edges_mm, scan.units.suv_factor
        self.first, size = _crop(variant, n, self.spacing_mm)
        #: SUV with all lesions, and of the scan itself.
        self.after = variant.voxels(self.first, size) * factor
        self.before = read_region(scan.image, self.first, size) * factor
        #: Voxels of the lesion, and of the shell around it without other lesions.
        self.lesion = _marked(variant, [n], self.first, size)
        others = [m for m in range(len(variant.tumors)) if m != n]
        self.shell = shell(self.lesion, self.spacing_mm, _marked(variant, others, self.first, size))


def _crop(variant: Variant, n: int, spacing_mm: tuple[float, float, float]) -> tuple[list[int], list[int]]:
    """First voxel (ijk) and size (ijk) of a block of the grid around a lesion, or around its box if it is empty."""
    segment = variant.segments[n]
    first, stop = np.array(segment.start_ijk), np.array(segment.start_ijk) + segment.mask.shape[::-1]
    if segment.mask.any():
        k, j, i = around(segment.mask > 0)
        stop = first + np.array([i.stop, j.stop, k.stop])
        first = first + np.array([i.start, j.start, k.start])
    margin = np.ceil(max(SHELL_MM[1], 2 * PEAK_RADIUS_MM) / np.array(spacing_mm)).astype(int)
    grid_size = np.array(variant.tumors[0].prepared.grid.size_ijk)
    first, stop = np.maximum(first - margin, 0), np.minimum(stop + margin, grid_size)
    return first.tolist(), (stop - first).tolist()


def _marked(variant: Variant, which: list[int], first: list[int], size: list[int]) -> NDArray[np.bool_]:
    """Voxels of a block that belong to some of the lesions, (k, j, i)."""
    marked = np.zeros(size[::-1], dtype=bool)
    for n in which:
        here = np.argwhere(variant.segments[n].mask)[:, ::-1] + variant.segments[n].start_ijk - first
        inside = here[np.all((here >= 0) & (here < size), axis=1)]
        marked[tuple(inside[:, ::-1].T)] = True
    return marked


def _asked(tumor: Tumor, measured: LesionMeasures) -> Row:
    """What the user asked for, what that meant in this box, and what the final voxels have of it."""
    request, adjusted, targets = tumor.request, tumor.adjustment.as_dict(), tumor.targets
    mode = "suv_max" if "suv_max" in adjusted else request.uptake
    value = adjusted.get("suv_max", getattr(request, mode) if mode else None)
    target, wanted = tumor.target, {**request.as_dict(), **tumor.maker.sampling.as_dict()}
    volumes = {"fill": measured.volume_ml / tumor.prepared.box.volume_ml, "volume_ml": measured.volume_ml}
    size = request.size
    return {
        "intensity_mode": mode or "drawn",
        "intensity_value": value,
        "intensity_reached": _reached(target, measured) * value if target is not None and value is not None else None,
        "target_suv": None if target is None else target.suv,
        "target_measure": None if target is None else target.measure,
        "reference": request.reference,
        "reference_suv": request.reference_suv,
        "box_tissue_suv": tumor.prepared.tissue_suv,
        "size_mode": size or "drawn",
        "size_value": getattr(request, size) if size else None,
        "size_reached": (volumes | {"diameter_mm": ball_diameter_mm(measured.volume_ml)}).get(size or ""),
        "target_volume_ml": None if targets.fill is None else targets.fill * tumor.prepared.box.volume_ml,
        "request": json.dumps({**wanted, **({"adjusted": adjusted} if adjusted else {})}),
        "told_fill": tumor.growth.told.fill,
        "told_p95_suv": tumor.growth.told.suv,
        "uptake_gain": tumor.pasted.gain,
    }


def _reached(target: UptakeTarget, measured: LesionMeasures) -> float:
    """Share of the target SUV that a lesion has."""
    suv: float = getattr(measured, f"suv_{target.measure}")
    return suv / target.suv


def _place(tumor: Tumor, where: _Surveyed) -> Row:
    """Positions of lesion and box; voxels count from 0 at the center of the scan's first voxel."""
    box, center, hottest = tumor.prepared.box, np.full(3, math.nan), None
    if where.lesion.any():
        points = np.argwhere(where.lesion)
        center = points.mean(axis=0)[::-1] + where.first
        hottest = points[np.argmax(where.after[where.lesion])][::-1] + where.first
    voxels, lps, edges = _AXES
    return {
        **_triple("center_voxel", voxels, center),
        **_triple("center_lps_mm", lps, where.grid.index_to_lps(center)),
        **_triple("suv_max_voxel", voxels, [None] * 3 if hottest is None else hottest.tolist()),
        **_triple("suv_max_lps_mm", lps, where.grid.index_to_lps(center if hottest is None else hottest)),
        **_triple("box_center_lps_mm", lps, box.center_lps),
        **_triple("box_size_mm", edges, box.size_mm),
        "box_axes": " ".join(f"{value:.{_DIGITS}g}" for value in np.ravel(box.axes)),
        **_triple("voxel_size_mm", voxels, where.grid.spacing_mm),
    }


def _shape(tumor: Tumor, where: _Surveyed, measured: LesionMeasures) -> Row:
    longest, middle, shortest = axis_lengths_mm(where.lesion, where.spacing_mm)
    return {
        "volume_ml": measured.volume_ml,
        "voxels": int(where.lesion.sum()),
        "fill": measured.volume_ml / tumor.prepared.box.volume_ml,
        "equivalent_diameter_mm": 2 * ball_radius_mm(where.lesion, where.spacing_mm),
        "axis_long_mm": longest,
        "axis_middle_mm": middle,
        "axis_short_mm": shortest,
        "solidity": solidity(where.lesion, where.spacing_mm),
        "mask_kind": tumor.request.mask or "metabolic",
    }


def _uptake(where: _Surveyed, measured: LesionMeasures, background: Surroundings) -> Row:
    uptake = where.after[where.lesion].astype(np.float64)
    return {
        "suv_max": measured.suv_max,
        "suv_mean": measured.suv_mean,
        "suv_peak": measured.suv_peak,
        "suv_sd": float(uptake.std()) if uptake.size else None,
        "suv_min": float(uptake.min()) if uptake.size else None,
        "mtv_ml": measured.mtv_ml,
        "tlg_g": measured.tlg,
        "total_suv_ml": measured.suv_mean * measured.volume_ml,
        "lesion_to_background": _ratio(measured.suv_mean, background.mean),
    }


def _surroundings(where: _Surveyed, measured: LesionMeasures, background: Surroundings) -> Row:
    """The shell after the insertion, and lesion and shell in the scan before it."""
    before = float(where.before[where.lesion].mean(dtype=np.float64)) if where.lesion.any() else math.nan
    return {
        "background_suv_mean": background.mean,
        "background_suv_sd": background.sd,
        "background_suv_min": background.least,
        "background_suv_max": background.most,
        "background_voxels": background.voxels,
        "baseline_suv_mean": before,
        "baseline_background_suv_mean": surroundings(where.before, where.shell).mean,
        "lesion_to_baseline": _ratio(measured.suv_mean, before),
    }


def _activity(tumor: Tumor, measured: LesionMeasures, background: Surroundings) -> Row:
    """Activities; not known if the scan's voxels are not in Bq/ml."""
    units, target = tumor.prepared.units, tumor.target
    per_suv = 1 / units.suv_factor if units.name == "BQML" else math.nan
    reference = tumor.request.reference_suv
    return {
        "scan_units": units.name,
        "suv_per_scan_unit": units.suv_factor,
        "activity_max_bq_per_ml": measured.suv_max * per_suv,
        "activity_mean_bq_per_ml": measured.suv_mean * per_suv,
        "total_activity_bq": measured.suv_mean * per_suv * measured.volume_ml,
        "background_activity_bq_per_ml": background.mean * per_suv,
        "target_activity_bq_per_ml": None if target is None else target.suv * per_suv,
        "reference_activity_bq_per_ml": None if reference is None else reference * per_suv,
    }


def _ratio(value: float, of: float) -> float | None:
    """The ratio of two SUV; not known where the second is not above 0."""
    return value / of if of > 0 else None


def _triple(name: str, axes: tuple[str, ...], values: Any) -> Row:
    return {f"{name}_{axis}": value for axis, value in zip(axes, values, strict=True)}


def _plain(value: Any) -> Any:
    """A number in plain Python with as many digits as it has; None if it is not finite."""
    if not isinstance(value, float | np.floating):
        return value
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
