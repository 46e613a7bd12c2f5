"""The two-sample test: how well classifiers tell each method's lesions from the real ones in the same boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS
from TumorGenCore.evaluation.two_sample.boxed import OWN, SAME, BoxedLesion, delineated
from TumorGenCore.evaluation.two_sample.classifiers import (
    Pipelines,
    auc_interval,
    auc_of,
    features_pipelines,
    out_of_fold,
    slices_pipelines,
)
from TumorGenCore.evaluation.two_sample.features import GROUPS, lesion_features

__all__ = ["VIEWS", "Slices", "two_sample_test"]

#: Views of the lesions.
VIEWS: dict[str, Callable[[BoxedLesion], BoxedLesion]] = {OWN: lambda lesion: lesion, SAME: delineated}
#: Divisions of the real patients into halves, for the test of real against real, and deals of all patients into folds.
HALVINGS, DEALS = 20, 4

#: Function from a lesion to the features of its slices.
Slices = Callable[[BoxedLesion], NDArray[np.float64]]


def two_sample_test(
    real: Sequence[BoxedLesion],
    methods: Mapping[str, Sequence[BoxedLesion]],
    slices: Slices | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> dict:
    """Tells the lesions of each method from the real ones.

    Each seed of a method is tested alone, so that both sides have equally many lesions, and the scores are averaged.

    Args:
        real: the real lesions, one for each box.
        methods: synthetic lesions in the same boxes, by method, one for each box and seed.
        slices: features of slices; None leaves that test out.
        tell: called with a line per method.

    Returns:
        For each view (``VIEWS``) a dictionary with ``real against real``, the AUC of halves of the patients for
        ``all features`` and each group, and ``methods``; each method has ``all features`` and each group: ``auc``,
        ``interval`` (95 %, over patients), ``excess`` over real against real and ``by_seed``. ``slices`` stands beside
        the views, in the same form.

    Raises:
        LeftOutError: there are fewer than five patients.
    """
    people = {lesion.patient for lesion in real}
    if len(people) < LEAST_LESIONS:
        raise LeftOutError(f"{len(people)} patients with tumors; {LEAST_LESIONS} are needed.")
    found: dict = {}
    for view, seen in VIEWS.items():
        measured = {name: [lesion_features(seen(one)) for one in some] for name, some in methods.items()}
        own = [lesion_features(seen(one)) for one in real]
        parts: dict[str, Callable[[dict], list[float]]] = {"all features": _every}
        parts |= {group: lambda row, group=group: list(row[group].values()) for group in GROUPS}  # type: ignore[misc]
        found[view] = _tested(real, methods, own, measured, parts, features_pipelines)
        tell(f"two-sample test, {view}: done")
    if slices is not None:
        own_slices = [slices(one) for one in real]
        of_methods = {name: [slices(one) for one in some] for name, some in methods.items()}
        parts = {"slices": lambda row: list(row)}
        found["slices"] = _tested(real, methods, own_slices, of_methods, parts, slices_pipelines)
        tell("two-sample test, slices: done")
    return found


def _every(row: dict[str, dict[str, float]]) -> list[float]:
    return [value for group in GROUPS for value in row[group].values()]


def _tested(
    real: Sequence[BoxedLesion],
    methods: Mapping[str, Sequence[BoxedLesion]],
    own: Sequence,
    measured: Mapping[str, Sequence],
    parts: Mapping[str, Callable],
    pipelines: Pipelines,
) -> dict:
    people = np.array([lesion.patient for lesion in real])
    floor: dict[str, float] = {}
    tested: dict[str, dict] = {name: {} for name in methods}
    for part, values_of in parts.items():
        values = np.array([values_of(row) for row in own], dtype=np.float64)
        floor[part] = _real_against_real(values, people, pipelines)
        for name, lesions in methods.items():
            rows = np.array([values_of(row) for row in measured[name]], dtype=np.float64)
            tested[name][part] = _method(values, people, rows, lesions, pipelines, floor[part])
    return {"real against real": floor, "methods": tested}


def _method(
    real: NDArray, people: NDArray, rows: NDArray, lesions: Sequence[BoxedLesion], pipelines: Pipelines, floor: float
) -> dict:
    seeds = np.array([lesion.seed for lesion in lesions])
    patients = np.array([lesion.patient for lesion in lesions])
    scores, labels, whose, by_seed = [], [], [], []
    for seed in np.unique(seeds):
        here = seeds == seed
        values = np.concatenate([real, rows[here]])
        synthetic = np.arange(len(values)) >= len(real)
        both = np.concatenate([people, patients[here]])
        score = out_of_fold(values, synthetic, both, pipelines, int(seed), DEALS)
        by_seed.append(auc_of(score, synthetic))
        scores.append(score)
        labels.append(synthetic)
        whose.append(both)
    auc, interval = auc_interval(np.concatenate(scores), np.concatenate(labels), np.concatenate(whose))
    return {"auc": auc, "interval": interval, "excess": auc - floor, "by_seed": by_seed}


def _real_against_real(values: NDArray, people: NDArray, pipelines: Pipelines) -> float:
    """Mean AUC of one half of the patients against the other, over random halves."""
    names = np.unique(people)
    areas = []
    for n in range(HALVINGS):
        second = np.random.default_rng(n).permutation(names)[: len(names) // 2]
        labels = np.isin(people, second)
        areas.append(auc_of(out_of_fold(values, labels, people, pipelines, n, deals=1), labels))
    return float(np.mean(areas))
