"""`tumorgen reader-study score`: how well readers tell synthetic lesions from real ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from TumorGenCore.errors import ReaderStudyError
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, bootstrap_intervals
from TumorGenCore.evaluation.reader_study.answers import Answers, Key, read_answers, read_key

__all__ = ["FIGURES", "figures_of", "score"]

#: The figures of a reader, in the order of ``figures_of``.
FIGURES = ("accuracy", "sensitivity", "specificity", "auc")
#: Share of a lesion that counts as called synthetic, for the ratings 1 to 5.
_CALLED = np.array([0.0, 0.0, 0.5, 1.0, 1.0])
_DRAWS = 2000
_GROUPS = ("all", "large", "small")

#: Patient, whether the lesion is synthetic, and its rating.
Row = tuple[str, bool, int]


def score(key_path: Path, answer_paths: Sequence[Path]) -> dict:
    """Scores the answers of one reader or several.

    Args:
        key_path: ``key.json`` of the study.
        answer_paths: files of answers, one for each reader.

    Returns:
        ``study``, ``lesions`` (their numbers), ``readers`` and ``pooled``. A reader has ``answered``,
        ``median_seconds`` and the groups ``all``, ``large`` and ``small``; see ``_measured``. ``pooled`` takes the
        answers of all readers together and has ``made``: how often lesions of each origin were called synthetic, and
        ``quality``, see ``_against_quality``.

    Warns:
        ReaderStudyWarning: lesions have no answer.

    Raises:
        ReaderStudyError: a file cannot be used, belongs to another study, or two are of one reader.
    """
    key = read_key(key_path)
    readers = [read_answers(path, key) for path in answer_paths]
    names = [reader.reader for reader in readers]
    if len(set(names)) < len(names):
        raise ReaderStudyError(
            f"Two files are answers of one reader ({', '.join(names)}). Give each reader once, with a code of its own."
        )
    return {
        "study": key.study,
        "lesions": {
            f"{size} {truth}": sum(
                (lesion["size"], lesion["truth"]) == (size, truth) for lesion in key.lesions.values()
            )
            for size in ("large", "small")
            for truth in ("real", "synthetic")
        },
        "readers": {
            reader.reader: {
                "answered": len(reader.given),
                "median_seconds": float(np.median([answer.seconds for answer in reader.given.values()])),
                **_groups(key, [reader]),
            }
            for reader in readers
        },
        "pooled": {
            **_groups(key, readers),
            "made": _by_origin(key, readers),
            "quality": _against_quality(key, readers),
        },
    }


def figures_of(table: ArrayLike) -> NDArray[np.float64]:
    """Computes the figures from the numbers of ratings.

    A rating above 3 calls a lesion synthetic; 3 counts half. The AUC is the chance that a synthetic lesion has a higher
    rating than a real one; equal ratings count half.

    Args:
        table: (2, 5), the number of real and of synthetic lesions with the ratings 1 to 5.

    Returns:
        Accuracy, sensitivity (share of the synthetic lesions that are called synthetic), specificity (share of the real
        ones that are called real) and AUC, (4,); NaN if a kind has no lesion.
    """
    real, synthetic = np.asarray(table, dtype=float)
    if real.sum() == 0 or synthetic.sum() == 0:
        return np.full(4, np.nan)
    caught, right = synthetic @ _CALLED, real @ (1 - _CALLED)
    below = np.cumsum(real) - real / 2
    return np.array(
        [
            (caught + right) / (real.sum() + synthetic.sum()),
            caught / synthetic.sum(),
            right / real.sum(),
            synthetic @ below / (real.sum() * synthetic.sum()),
        ]
    )


def _groups(key: Key, readers: Sequence[Answers]) -> dict[str, dict]:
    """Measures all lesions, and the large and the small ones alone."""
    return {
        group: _measured(
            (lesion["patient"], lesion["truth"] == "synthetic", reader.given[name].rating)
            for name, lesion in key.lesions.items()
            for reader in readers
            if name in reader.given and group in ("all", lesion["size"])
        )
        for group in _GROUPS
    }


def _measured(rows: Iterable[Row]) -> dict:
    """Measures ratings of lesions.

    The intervals are 95 %, by drawing patients with replacement. Patients with real lesions only, with synthetic ones
    only and with both are drawn apart, so that each draw has both kinds. An interval needs five patients of each kind.

    Returns:
        The figures, None without both kinds; for each an ``..._interval``, which may be None; ``patients``; and
        ``ratings``, the numbers of real and synthetic lesions with the ratings 1 to 5.
    """
    by_patient: dict[str, NDArray[np.float64]] = {}
    for patient, is_synthetic, rating in rows:
        by_patient.setdefault(patient, np.zeros((2, 5)))[int(is_synthetic), rating - 1] += 1
    tables = np.stack(list(by_patient.values())) if by_patient else np.zeros((0, 2, 5))
    has = tables.sum(axis=2) > 0
    values = figures_of(tables.sum(axis=0))
    intervals: Sequence[list[float] | None] = [None] * len(FIGURES)
    if len(tables) and has.sum(axis=0).min() >= LEAST_LESIONS:
        kinds = [np.flatnonzero((has == kind).all(axis=1)) for kind in ((True, True), (True, False), (False, True))]
        intervals = bootstrap_intervals(
            lambda *drawn: figures_of(tables[np.concatenate(drawn)].sum(axis=0)),
            *(kind for kind in kinds if len(kind)),
            draws=_DRAWS,
        )
    return {
        **{name: None if np.isnan(value) else float(value) for name, value in zip(FIGURES, values, strict=True)},
        **{f"{name}_interval": interval for name, interval in zip(FIGURES, intervals, strict=True)},
        "patients": len(tables),
        "ratings": {
            truth: counts.astype(int).tolist()
            for truth, counts in zip(("real", "synthetic"), tables.sum(axis=0), strict=True)
        },
    }


def _against_quality(key: Key, readers: Sequence[Answers]) -> dict:
    """Rank correlation of the quality of synthetic lesions with how surely readers called them real.

    Returns:
        ``lesions``: number of synthetic lesions with a quality and an answer. ``rank_correlation`` (Spearman): above 0
        if readers took those of a high quality for real. ``p``: its two-sided p. Both are None with fewer than five
        lesions or without differences.
    """
    pairs = []
    for name, lesion in key.lesions.items():
        ratings = [reader.given[name].rating for reader in readers if name in reader.given]
        quality = lesion.get("quality")
        if ratings and isinstance(quality, (int, float)) and lesion["truth"] == "synthetic":
            pairs.append((float(quality), -float(np.mean(ratings))))
    known = len(pairs) >= LEAST_LESIONS and all(len(set(values)) > 1 for values in zip(*pairs, strict=True))
    found = stats.spearmanr(*zip(*pairs, strict=True)) if known else None
    return {
        "lesions": len(pairs),
        "rank_correlation": None if found is None else float(found.statistic),
        "p": None if found is None else float(found.pvalue),
    }


def _by_origin(key: Key, readers: Sequence[Answers]) -> dict[str, dict]:
    """Counts the answers to the lesions of each origin, and the share of them that called the lesion synthetic."""
    called: dict[str, list[float]] = {}
    for name, lesion in key.lesions.items():
        for reader in readers:
            if name in reader.given:
                called.setdefault(lesion["made"], []).append(_CALLED[reader.given[name].rating - 1])
    return {
        made: {"answers": len(shares), "called_synthetic": float(np.mean(shares))} for made, shares in called.items()
    }
