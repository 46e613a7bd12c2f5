"""Chooses the lesions to show: real ones of both sizes, and synthetic ones that match them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from TumorGenCore.errors import ReaderStudyWarning, TrainingDataError
from TumorGenCore.evaluation.reader_study.lesions import StudyLesion

__all__ = ["choose_lesions"]

#: What another patient costs in the matching: as much as a volume 2.7 times as large.
_OTHER_PATIENT = 1.0


def choose_lesions(
    real: Sequence[StudyLesion], synthetic: Sequence[StudyLesion], counts: tuple[int, int], rng: np.random.Generator
) -> list[StudyLesion]:
    """Chooses real lesions, half of them large if there are enough, and synthetic ones of similar volume and patients.

    Of each size it takes the real lesions that have the best match among the synthetic ones.

    Args:
        real: real lesions to choose from.
        synthetic: synthetic lesions to choose from.
        counts: wanted numbers of real and synthetic lesions.
        rng: draws among equal matches.

    Returns:
        The real lesions, then the synthetic ones.

    Warns:
        ReaderStudyWarning: there are fewer lesions than wanted.

    Raises:
        TrainingDataError: there is no real or no synthetic lesion.
    """
    for name, pool, wanted in zip(("real", "synthetic"), (real, synthetic), counts, strict=True):
        if not pool:
            raise TrainingDataError(f"No {name} lesion was found. A reader study needs both; give other cases.")
        if len(pool) < wanted:
            warnings.warn(
                f"There are only {len(pool)} of {wanted} {name} lesions; the study has fewer.",
                ReaderStudyWarning,
                stacklevel=2,
            )
    drawn = [real[n] for n in rng.permutation(len(real))]
    rows, columns = _matches(drawn, synthetic)
    match = {n: _difference(drawn[n], synthetic[m]) for n, m in zip(rows, columns, strict=True)}
    best_first = [drawn[n] for n in sorted(range(len(drawn)), key=lambda n: match.get(n, np.inf))]
    shown = _both_sizes(best_first, counts[0])
    _, columns = _matches([shown[n % len(shown)] for n in range(counts[1])], synthetic)
    return [*shown, *(synthetic[n] for n in columns)]


def _matches(some: Sequence[StudyLesion], others: Sequence[StudyLesion]) -> tuple[list[int], list[int]]:
    """Pairs lesions with the smallest sum of differences; returns the numbers of both sides."""
    rows, columns = linear_sum_assignment([[_difference(a, b) for b in others] for a in some])
    return rows.tolist(), columns.tolist()


def _both_sizes(lesions: Sequence[StudyLesion], count: int) -> list[StudyLesion]:
    """Returns the first lesions, half of them large; if one size is rare, more of the other."""
    large = [lesion for lesion in lesions if lesion.size == "large"]
    small = [lesion for lesion in lesions if lesion.size == "small"]
    first = large[: max(count // 2, count - len(small))]
    return [*first, *small[: count - len(first)]]


def _difference(a: StudyLesion, b: StudyLesion) -> float:
    """Difference of the logarithms of the volumes, and a surcharge for another patient."""
    return abs(float(np.log(a.volume_ml / b.volume_ml))) + _OTHER_PATIENT * (a.patient != b.patient)
