"""Recovery of uptake: how much of a lesion's uptake a scanner shows, for real shapes and for spheres.

A shape is filled with one uptake above that of its tissue and blurred to the resolution of a scanner. The recovery
coefficient is the measured rise over the true one. Phantoms measure it on spheres; real lesions recover less.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.features.resampling import mean_of_patients
from TumorGenCore.evaluation.markdown import mean_cell, number, table_lines
from TumorGenCore.evaluation.plots import save_plot, tidy
from TumorGenCore.evaluation.rivals.host import SCANNER_FWHM_MM
from TumorGenCore.evaluation.statistics import patient_means
from TumorGenCore.insertion.scan_noise import FWHM
from TumorGenCore.training.data.shape_library import Shape
from TumorGenCore.volumes.geometry import Grid

__all__ = ["MEASURES", "RECOVERY_ML", "recovery", "recovery_curve", "recovery_lines", "save_recovery"]

#: Limits of the volume groups, ml.
RECOVERY_ML = (1.0, 1.5, 3.0, 6.0, 15.0, 50.0, 150.0)
#: Measures over the true mask: the highest and the mean uptake.
MEASURES = ("max", "mean")
#: Voxel edge of the simulation, and room around a lesion in standard deviations of the blur.
_VOXEL_MM, _ROOM = 2.0, 4.0


def recovery(mask: NDArray[np.bool_], fwhm_mm: float, voxel_mm: float = _VOXEL_MM) -> dict[str, float]:
    """Recovery coefficients of a uniform lesion, 0 to 1, by ``MEASURES``.

    Args:
        mask: the lesion, (k, j, i), not empty; outside the array there is tissue.
        fwhm_mm: resolution of the scanner, full width at half maximum.
        voxel_mm: voxel edge.
    """
    seen = ndimage.gaussian_filter(mask.astype(np.float64), fwhm_mm / FWHM / voxel_mm, mode="constant")[mask]
    return {"max": float(seen.max()), "mean": float(seen.mean())}


def recovery_curve(shapes: Sequence[Shape], fwhm_mm: float = SCANNER_FWHM_MM) -> dict:
    """Measures the recovery of shapes and of spheres with their volumes.

    Args:
        shapes: the shapes.
        fwhm_mm: resolution of the scanner, full width at half maximum.

    Returns:
        ``fwhm_mm``; ``lesions``, for each shape its ``volume_ml``, ``shape`` and ``sphere`` (see ``recovery``); and
        ``groups``, for each of the volume groups with shapes its ``low_ml``, ``high_ml``, number of ``lesions`` and by
        measure ``shape``, ``sphere`` and ``difference`` (shape minus sphere), each as from ``mean_of_patients``.
    """
    rng = np.random.default_rng(0)
    lesions = [{"patient": f"{shape.kind} {shape.patient}", **_recovered(shape, fwhm_mm, rng)} for shape in shapes]
    groups = []
    for low, high in pairwise(RECOVERY_ML):
        here = [lesion for lesion in lesions if low <= lesion["volume_ml"] < high]
        if here:
            groups.append({"low_ml": low, "high_ml": high, "lesions": len(here), **_means(here)})
    unnamed = [{key: value for key, value in lesion.items() if key != "patient"} for lesion in lesions]
    return {"fwhm_mm": fwhm_mm, "lesions": unnamed, "groups": groups}


def _recovered(shape: Shape, fwhm_mm: float, rng: np.random.Generator) -> dict:
    room = _ROOM * fwhm_mm / FWHM + 2 * max(shape.spacing_mm)
    size = np.ceil((shape.longest_mm + 2 * room) / _VOXEL_MM).astype(int)
    middle = shape.points_lps.min(axis=0) / 2 + shape.points_lps.max(axis=0) / 2 + rng.uniform(-0.5, 0.5, 3) * _VOXEL_MM
    x, y, z = (middle - (size - 1) / 2 * _VOXEL_MM).tolist()
    soft = shape.on(Grid((int(size),) * 3, (_VOXEL_MM,) * 3, (x, y, z)))
    count = max(1, round(shape.volume_ml * 1000 / _VOXEL_MM**3))
    k, j, i = np.ogrid[(slice(size),) * 3]
    z, y, x = (size - 1) / 2 + rng.uniform(-0.5, 0.5, 3)
    nearness = -((k - z) ** 2) - (j - y) ** 2 - (i - x) ** 2
    return {
        "volume_ml": shape.volume_ml,
        "shape": recovery(_highest(soft, count), fwhm_mm),
        "sphere": recovery(_highest(nearness, count), fwhm_mm),
    }


def _highest(values: NDArray, count: int) -> NDArray[np.bool_]:
    """The ``count`` highest voxels, so that shape and sphere have one volume, which a threshold would change."""
    chosen = np.zeros(values.size, dtype=bool)
    chosen[np.argpartition(values.ravel(), -count)[-count:]] = True
    return chosen.reshape(values.shape)


def _means(lesions: Sequence[dict]) -> dict:
    means: dict = {}
    for measure in MEASURES:
        rows = [
            {
                "patient": lesion["patient"],
                "shape": lesion["shape"][measure],
                "sphere": lesion["sphere"][measure],
                "difference": lesion["shape"][measure] - lesion["sphere"][measure],
            }
            for lesion in lesions
        ]
        means[measure] = {key: mean_of_patients(patient_means(rows, key)) for key in ("shape", "sphere", "difference")}
    return means


def recovery_lines(curve: dict) -> list[str]:
    """Returns the section on the recovery curve, with its picture ``recovery.png``."""
    rows = []
    for group in curve["groups"]:
        cells = [f"{group['low_ml']:g} to {group['high_ml']:g}", str(group["lesions"])]
        for measure in MEASURES:
            found = group[measure]
            cells += [number(found["shape"]["mean"]), number(found["sphere"]["mean"]), mean_cell(found["difference"])]
        rows.append(cells)
    head = ["ml", "lesions"]
    for measure in MEASURES:
        head += [f"{measure}: shapes", "spheres", "difference"]
    return [
        "## Recovery",
        "",
        "The shapes of the field and spheres of their volumes are filled with one uptake and blurred to a resolution "
        f"of {curve['fwhm_mm']:g} mm, without noise. The recovery is the rise that is measured over the true mask "
        "(highest or mean) over the true rise. In brackets: 95 % intervals over patients (BCa).",
        "",
        *table_lines(head, rows),
        "![recovery](recovery.png)",
        "",
    ]


def save_recovery(curve: dict, path: Path) -> None:
    """Writes a PNG: recovery against volume, one panel per measure.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    lesions = sorted(curve["lesions"], key=lambda lesion: lesion["volume_ml"])
    volumes = [lesion["volume_ml"] for lesion in lesions]
    for axis, measure in zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES, strict=True):
        axis.plot(volumes, [lesion["shape"][measure] for lesion in lesions], ".", color="#d62728", label="shapes")
        axis.plot(volumes, [lesion["sphere"][measure] for lesion in lesions], color="black", label="spheres")
        axis.set_xscale("log")
        axis.set_xlabel("volume, ml", fontsize=8)
        tidy(axis, f"recovery of the {measure}")
        axis.legend(fontsize=7)
    save_plot(figure, path, f"resolution {curve['fwhm_mm']:g} mm")
