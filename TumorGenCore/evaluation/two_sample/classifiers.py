"""Classifiers that try to tell two samples of lesions apart, with patients kept apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, bca_interval
from TumorGenCore.lesions.agreement import ranking

__all__ = ["auc_interval", "auc_of", "features_pipelines", "out_of_fold", "slices_pipelines"]

FOLDS = 5
#: Trees of a forest; several deals of the patients average several forests.
TREES = 50
#: Draws of the interval over patients.
DRAWS = 1000

Pipelines = Callable[[int], dict[str, Pipeline]]


def features_pipelines(seed: int) -> dict[str, Pipeline]:
    """Returns the classifiers for measured features: logistic regression and a random forest.

    A missing value becomes the median, and a column of its own says that it was missing.

    Args:
        seed: seed of the forest.
    """
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return {
        "logistic": make_pipeline(fill, StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)),
        "forest": make_pipeline(
            fill, RandomForestClassifier(TREES, min_samples_leaf=2, max_features="sqrt", random_state=seed)
        ),
    }


def slices_pipelines(seed: int) -> dict[str, Pipeline]:
    """Returns the classifier for the many features of slices: logistic regression on principal components.

    It takes as many as explain 80 % of the variance.

    Args:
        seed: seed of the components.
    """
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    parts = PCA(0.8, svd_solver="full", random_state=seed)
    return {
        "logistic": make_pipeline(
            fill, StandardScaler(), parts, StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)
        )
    }


def out_of_fold(
    values: NDArray,
    synthetic: NDArray[np.bool_],
    patients: NDArray,
    pipelines: Pipelines,
    seed: int = 0,
    deals: int = 4,
) -> NDArray[np.float64]:
    """Scores each lesion by classifiers that saw no lesion of its patient; higher means more synthetic.

    The patients are dealt into five folds, ``deals`` times. The score is the mean over classifiers and deals of the
    rank of the probability within the fold, so that folds with other levels can be pooled.

    Args:
        values: features, (n, d), NaN if unknown.
        synthetic: which lesions are synthetic, (n,).
        patients: patient of each lesion, (n,).
        pipelines: makes the classifiers for a seed.
        seed: seed of folds and classifiers.
        deals: number of times.

    Returns:
        Scores, (n,), 0 to 1.
    """
    scores = np.zeros(len(values))
    fewest = min(len(np.unique(patients[synthetic == side])) for side in (False, True))
    folds = max(2, min(FOLDS, fewest))
    for deal in range(deals):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + deal)
        for train, test in splitter.split(values, synthetic, patients):
            if len(np.unique(synthetic[train])) < 2:
                scores[test] += 0.5
                continue
            made = pipelines(seed + deal)
            for pipeline in made.values():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # Columns that are NaN in one fold.
                    pipeline.fit(values[train], synthetic[train])
                    found = pipeline.predict_proba(values[test])[:, 1]
                scores[test] += stats.rankdata(found) / (len(found) + 1) / len(made)
    return scores / deals


def auc_of(scores: NDArray, synthetic: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; 0.5 if one of the samples is empty."""
    return ranking(scores[synthetic], scores[~synthetic])


def auc_interval(
    scores: NDArray, synthetic: NDArray[np.bool_], patients: NDArray, seed: int = 0
) -> tuple[float, list[float] | None]:
    """Area under the ROC curve, and its 95 % interval over patients (``bca_interval``).

    Args:
        scores: from ``out_of_fold``, (n,).
        synthetic: which lesions are synthetic, (n,).
        patients: patient of each lesion, (n,).
        seed: seed of the draws.
    """
    people, whose = np.unique(patients, return_inverse=True)
    wins = np.zeros((len(people), len(people)))
    higher, lower = scores[synthetic][:, None], scores[~synthetic]
    np.add.at(wins, (whose[synthetic][:, None], whose[~synthetic]), (higher > lower) + 0.5 * (higher == lower))
    made, real = (np.bincount(whose[side], minlength=len(people)) for side in (synthetic, ~synthetic))

    def area(drawn: NDArray) -> float:
        """``auc_of`` the lesions of these patients, from the pairs that the synthetic lesions win."""
        pairs = made[drawn].sum() * real[drawn].sum()
        return float(wins[np.ix_(drawn, drawn)].sum() / pairs) if pairs else 0.5

    whole = area(np.arange(len(people)))
    if len(people) < LEAST_LESIONS:
        return whole, None
    return whole, bca_interval(area, len(people), DRAWS, seed)
