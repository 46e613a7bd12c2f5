"""Realism: synthetic lesions beside real ones that the training saw and did not see."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import SimpleITK as sitk

from TumorGenCore.evaluation.distributions import (
    STATISTICS,
    compare_statistics,
    lesion_statistics,
    quantiles,
    statistic_rows,
)
from TumorGenCore.evaluation.diversity import in_box, pair_correlation, pair_dice, variation
from TumorGenCore.evaluation.frechet import frechet_of_features
from TumorGenCore.evaluation.insertion import Site
from TumorGenCore.evaluation.memorisation import memorisation
from TumorGenCore.evaluation.radiomics import load_radiomics
from TumorGenCore.evaluation.resampling import LeftOutError, Rows
from TumorGenCore.evaluation.samples import LesionSample, real_lesions, synthetic_lesion
from TumorGenCore.evaluation.seams import seam_ratio
from TumorGenCore.evaluation.slice_features import PLANES, load_slice_features
from TumorGenCore.generator import InsertionResult
from TumorGenCore.training.data import Case

__all__ = ["KINDS", "measure_realism"]

#: Kinds of lesions that are listed: the largest of every real case, and the synthetic ones by their site's group.
KINDS = ("training", "held_out", "tumour", "healthy", "phantom")

Shown = Sequence[tuple[Site, list[InsertionResult]]]
Groups = dict[str, list[LesionSample]]


def measure_realism(
    held_out: Sequence[Case], training: Sequence[Case], shown: Shown, tell: Callable[[str], None]
) -> tuple[dict, dict[str, LesionSample]]:
    """All measures of realism.

    Distances are taken for the sites whose boxes are drawn over the held-out patients' largest tumours, against each
    training case's largest: the same choice of lesions on all sides, so that only realism differs. Other sites'
    quantiles are listed. Memorisation looks at every lesion.

    Args:
        held_out: cases that the training did not see.
        training: those of the training's cases that are at hand; without any, distances are left out.
        shown: sites and what was inserted there, one result a seed.
        tell: called with a line per theme.

    Returns:
        The figures, ready for JSON, each theme with ``left_out`` and the reason where it cannot be computed; and all
        lesions by name, for pictures.
    """
    real = {"held_out": _by_case(held_out), "training": _by_case(training)}
    groups: Groups = {kind: [] for kind in KINDS}
    for kind, by_case in real.items():
        groups[kind] = [lesions[0] for lesions in by_case]
    for site, results in shown:
        groups[site.group] += [synthetic_lesion(site.name, site.patient, result) for result in results]
    synthetic = [sample for kind in ("tumour", "healthy", "phantom") for sample in groups[kind]]
    every = {kind: [lesion for lesions in by_case for lesion in lesions] for kind, by_case in real.items()}
    figures = _statistics(groups)
    tell("lesion statistics: done")
    figures["seams"] = _seams(shown)
    figures["diversity"] = _diversity(shown, figures["lesions"])
    tell("seams and variety: done")
    figures["memorisation"] = _or_reason(lambda: memorisation(synthetic, every["held_out"], every["training"]))
    tell("memorisation: done")
    figures["frechet"] = {
        "radiomics": _or_reason(lambda: _frechet(groups, load_radiomics())),
        "efflite0": _or_reason(lambda: _frechet(groups, load_slice_features(), parts=len(PLANES))),
    }
    tell("Frechet distances: done")
    return figures, {sample.name: sample for sample in [*synthetic, *every["held_out"], *every["training"]]}


def _by_case(cases: Sequence[Case]) -> list[list[LesionSample]]:
    return [lesions for case in cases if (lesions := real_lesions(case))]


def _or_reason(measure: Callable[[], dict]) -> dict:
    try:
        return measure()
    except LeftOutError as reason:
        return {"left_out": str(reason)}


def _statistics(groups: Groups) -> dict:
    measured = {kind: [lesion_statistics(sample) for sample in samples] for kind, samples in groups.items()}
    table = {}
    for name in STATISTICS:
        rows = {kind: statistic_rows(groups[kind], measured[kind], name) for kind in KINDS}
        table[name] = {
            "quantiles": {kind: quantiles([row[name] for row in measured[kind]]) for kind in KINDS},
            **compare_statistics(rows["tumour"], rows["held_out"], rows["training"]),
        }
    lesions = {
        kind: [
            {"name": sample.name, "patient": sample.patient, "seed": sample.seed, **_known(row)}
            for sample, row in zip(groups[kind], measured[kind], strict=True)
        ]
        for kind in KINDS
    }
    return {"lesions": lesions, "statistics": table}


def _known(row: dict[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in row.items()}


def _seams(shown: Shown) -> dict:
    sites: dict[str, dict] = {}
    for site, results in shown:
        ratios = [seam_ratio(site.image, result.image, site.box) for result in results]
        known = [ratio for ratio in ratios if ratio is not None]
        sites[site.name] = {"group": site.group, "ratio": float(np.mean(known)) if known else None}
    ratios_of = {
        group: [s["ratio"] for s in sites.values() if s["group"] == group and s["ratio"] is not None]
        for group in KINDS[2:]
    }
    return {
        "sites": sites,
        "groups": {
            group: {"n": len(r), "median": float(np.median(r)), "highest": max(r)} if r else {"n": 0}
            for group, r in ratios_of.items()
        },
    }


def _diversity(shown: Shown, lesions: dict[str, list[dict]]) -> dict:
    """Per group of sites: likeness and variation between seeds at one site, and between sites with one seed."""
    found = {}
    for group in KINDS[2:]:
        sites = [(site, results) for site, results in shown if site.group == group]
        changes = [[in_box(_change(site, r), site.box) for r in results] for site, results in sites]
        masks = [[in_box(r.mask, site.box) > 0.5 for r in results] for site, results in sites]
        rows = lesions[group]
        seeds = sorted({row["seed"] for row in rows})
        by_site = [rows[n : n + len(seeds)] for n in range(0, len(rows), len(seeds) or 1)]
        by_seed = [[row for row in rows if row["seed"] == seed] for seed in seeds]
        found[group] = {
            "between_seeds": _likeness(changes, masks, by_site),
            "between_sites": _likeness(list(zip(*changes, strict=True)), list(zip(*masks, strict=True)), by_seed),
        }
    real = [in_box(site.real, site.box) > 0.5 for site, _ in shown if site.real is not None]
    largest = lesions["held_out"]
    found["real"] = {
        "between_sites": {
            "correlation": None,
            "dice": pair_dice(real),
            **{f"{key}_variation": variation([row[key] for row in largest]) for key in ("volume_ml", "suv_max")},
        }
    }
    return found


def _change(site: Site, result: InsertionResult) -> sitk.Image:
    return sitk.Cast(result.image, sitk.sitkFloat32) - sitk.Cast(site.image, sitk.sitkFloat32)


def _likeness(changes: Sequence, masks: Sequence, rows: Sequence[list[dict]]) -> dict:
    """Means over sets of results of what each set has in common."""

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    def varied(key: str) -> float | None:
        return mean([variation([row[key] for row in some if row[key] is not None]) for some in rows])

    return {
        "correlation": mean([pair_correlation(some) for some in changes]),
        "dice": mean([pair_dice(some) for some in masks]),
        "volume_ml_variation": varied("volume_ml"),
        "suv_max_variation": varied("suv_max"),
    }


def _frechet(groups: Groups, features: Callable[[LesionSample], np.ndarray], parts: int = 1) -> dict:
    rows = []
    for kind in ("tumour", "held_out", "training"):
        if not groups[kind]:
            raise LeftOutError(f"There are no {kind.replace('_', '-')} lesions.")
        patients, seeds = (np.array([getattr(s, key) for s in groups[kind]]) for key in ("patient", "seed"))
        rows.append(Rows(patients, seeds, np.stack([features(sample) for sample in groups[kind]])))
    return frechet_of_features(*rows, parts=parts)
