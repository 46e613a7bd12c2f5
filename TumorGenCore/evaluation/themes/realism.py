"""Realism: comparison of synthetic lesions with real lesions of training and held-out patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from TumorGenCore.evaluation.features.distributions import (
    STATISTICS,
    compare_statistics,
    lesion_statistics,
    statistic_rows,
)
from TumorGenCore.evaluation.features.frechet import frechet_of_features
from TumorGenCore.evaluation.features.left_out import LeftOutError, or_reason
from TumorGenCore.evaluation.features.memorization import memorization
from TumorGenCore.evaluation.features.radiomics import load_radiomics
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS
from TumorGenCore.evaluation.features.slice_features import PLANES, SliceFeatures, load_slice_features
from TumorGenCore.evaluation.samples import LesionSample, feature_rows, real_lesions, small_lesions, synthetic_lesion
from TumorGenCore.evaluation.sites import GROUPS, Shown
from TumorGenCore.evaluation.statistics import quantiles
from TumorGenCore.evaluation.themes.alignment import measure_alignment
from TumorGenCore.evaluation.themes.diversity import diversity
from TumorGenCore.evaluation.themes.equality import measure_equality
from TumorGenCore.evaluation.themes.seams import seams
from TumorGenCore.training.data.cases import Case
from TumorGenCore.volumes.patch import PatchSettings

if TYPE_CHECKING:
    from TumorGenCore.training.stages.segmenter import Segmenter

__all__ = ["KINDS", "measure_realism"]

#: Kinds of lesions in the report: the largest of every real case, and synthetic lesions by the group of their site.
KINDS = ("training", "held_out", *GROUPS)

Groups = dict[str, list[LesionSample]]


def measure_realism(
    held_out: Sequence[Case],
    training: Sequence[Case],
    shown: Shown,
    patch: PatchSettings,
    tell: Callable[[str], None],
    segmenter: Segmenter | None = None,
    inception: SliceFeatures | None = None,
) -> tuple[dict, dict[str, LesionSample]]:
    """Measures realism.

    Distances compare the tumors in boxes over the held-out patients' largest tumors with the largest tumor of each
    training case. All sides have the same choice of lesions, so that only realism differs. Other sites contribute
    quantiles only. Memorization uses all lesions, and the held-out ones made small.

    Args:
        held_out: cases that the training did not see.
        training: available training cases; without any, there are no distances.
        shown: sites and the tumors inserted there, one per seed.
        patch: working patch of the bundle.
        tell: called with a line per theme.
        segmenter: finds real and synthetic tumors; without one, there is neither alignment nor equality.
        inception: features of FID, for an additional distance.

    Returns:
        The values, ready for JSON; a theme that cannot be computed has ``left_out`` with the reason. Then all lesions
        by name, for pictures.
    """
    real = {"training": _by_case(training), "held_out": _by_case(held_out)}
    synthetic = _by_group(shown)
    groups: Groups = {**{kind: [lesions[0] for lesions in real[kind]] for kind in real}, **synthetic}
    every = {kind: [lesion for lesions in real[kind] for lesion in lesions] for kind in real}
    made = [lesion for lesions in synthetic.values() for lesion in lesions]
    figures = _statistics(groups)
    tell("lesion statistics: done")
    figures["seams"] = seams(shown)
    tell("seams: done")
    small = [lesion for case in held_out for lesion in small_lesions(case, patch)]
    if segmenter is None:
        missing = {"left_out": "no segmenter was given; train one and pass it with --segmenter."}
        figures["alignment"] = figures["equality"] = missing
    else:
        figures["alignment"] = measure_alignment(segmenter, shown)
        figures["equality"] = measure_equality(segmenter, shown, figures["alignment"]["sites"], small)
    tell("alignment: done")
    figures["diversity"] = diversity(shown, figures["lesions"])
    tell("variety: done")
    figures["memorization"] = or_reason(lambda: memorization(made, every["held_out"], every["training"], small))
    tell("memorization: done")
    figures["frechet"] = _frechet_distances(groups, inception)
    tell("Frechet distances: done")
    return figures, {sample.name: sample for sample in [*made, *every["held_out"], *every["training"], *small]}


def _by_group(shown: Shown) -> Groups:
    """Groups the inserted tumors by the group of their site, in the order of the report."""
    groups: Groups = {group: [] for group in GROUPS}
    for site, results in shown:
        groups[site.group] += [synthetic_lesion(site.name, site.patient, r.seed, r.image, r.mask) for r in results]
    return groups


def _by_case(cases: Sequence[Case]) -> list[list[LesionSample]]:
    return [lesions for case in cases if (lesions := real_lesions(case))]


def _statistics(groups: Groups) -> dict:
    measured = {kind: [lesion_statistics(sample) for sample in samples] for kind, samples in groups.items()}
    table = {}
    for name in STATISTICS:
        rows = {kind: statistic_rows(groups[kind], measured[kind], name) for kind in KINDS}
        table[name] = {
            "quantiles": {kind: quantiles([row[name] for row in measured[kind]]) for kind in KINDS},
            **compare_statistics(rows["tumor"], rows["held_out"], rows["training"]),
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
    """Replaces NaN by None, because JSON has no NaN."""
    return {key: value if math.isfinite(value) else None for key, value in row.items()}


def _frechet_distances(groups: Groups, inception: SliceFeatures | None) -> dict:
    found = {
        "radiomics": or_reason(lambda: _frechet(groups, load_radiomics())),
        "efflite0": or_reason(lambda: _of_slices(groups, load_slice_features())),
    }
    if inception is not None:
        found["inception"] = or_reason(lambda: _of_slices(groups, inception))
    return found


def _of_slices(groups: Groups, features: SliceFeatures) -> dict:
    return _frechet(groups, features, parts=len(PLANES), common_unit=True)


def _frechet(
    groups: Groups, features: Callable[[LesionSample], np.ndarray], parts: int = 1, common_unit: bool = False
) -> dict:
    # Checked first, because features take seconds.
    for kind in ("tumor", "held_out", "training"):
        if len(groups[kind]) < LEAST_LESIONS:
            raise LeftOutError(f"{len(groups[kind])} {kind.replace('_', '-')} lesions; {LEAST_LESIONS} are needed.")
    rows = {kind: feature_rows(groups[kind], features) for kind in ("tumor", "held_out", "training")}
    return frechet_of_features(rows["tumor"], rows["held_out"], rows["training"], parts, common_unit=common_unit)
