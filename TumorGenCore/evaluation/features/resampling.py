"""Bootstrap over patients: intervals of means, and of a distance and its floor between real lesions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from TumorGenCore.evaluation.features.left_out import LeftOutError

__all__ = ["LEAST_LESIONS", "Rows", "against_floor", "bca_interval", "bootstrap_intervals", "mean_of_patients"]

#: Least number of lesions on a side for a distribution, and of patients for an interval.
LEAST_LESIONS = 5
#: Percentiles at the ends of an interval.
BOUNDS = (2.5, 97.5)

#: Function from features (n, d) and (m, d) to a distance.
Distance = Callable[[NDArray, NDArray], float]


@dataclass(frozen=True)
class Rows:
    """Features of lesions, one row per lesion.

    Args:
        patients: patient of each row, (n,).
        seeds: seed of each row, (n,); 0 for real lesions.
        values: features, (n, d); NaN if unknown.
    """

    patients: NDArray
    seeds: NDArray
    values: NDArray

    @property
    def people(self) -> NDArray:
        """The patients, sorted, each once."""
        return np.unique(self.patients)

    def known(self) -> Rows:
        """Returns the rows without NaN."""
        kept = np.isfinite(self.values).all(axis=1)
        return Rows(self.patients[kept], self.seeds[kept], self.values[kept])

    def drawn(self, patients: NDArray) -> Rows:
        """Returns the rows of these patients; a patient named twice gives its rows twice."""
        index = np.concatenate([np.flatnonzero(self.patients == patient) for patient in patients])
        return Rows(self.patients[index], self.seeds[index], self.values[index])


def bootstrap_intervals(
    statistic: Callable[..., ArrayLike], *groups: Sequence | NDArray, draws: int = 200, seed: int = 0
) -> list[list[float]]:
    """Computes 95 % bootstrap intervals: draws as many members of each group as it has, with replacement.

    Args:
        statistic: function of a draw of each group, in their order; returns one number or several, (d,).
        groups: patients or their values, (n,) each.
        draws: number of draws.
        seed: seed of the draws.

    Returns:
        The ends of the interval of each number, [[low, high], ...].
    """
    rng = np.random.default_rng(seed)
    found = [np.atleast_1d(statistic(*(rng.choice(group, len(group)) for group in groups))) for _ in range(draws)]
    return [np.percentile(column, BOUNDS).tolist() for column in np.stack(found, axis=1)]


def bca_interval(statistic: Callable[[NDArray], float], members: int, draws: int, seed: int = 0) -> list[float]:
    """Computes a 95 % bootstrap interval that is bias-corrected and accelerated (BCa).

    A percentile bootstrap over eight patients would cover 89 % instead of 95 %.

    Args:
        statistic: function of the indices of the drawn members, (members,).
        members: number of members, such as patients.
        draws: number of draws.
        seed: seed of the draws.

    Returns:
        The ends of the interval; both are the value itself if it is the same for all draws.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A statistic without spread has no interval.
        interval = stats.bootstrap(
            (np.arange(members),),
            statistic,
            vectorized=False,
            n_resamples=draws,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    ends = [float(interval.low), float(interval.high)]
    return ends if np.isfinite(ends).all() else [float(statistic(np.arange(members)))] * 2


def mean_of_patients(values: Mapping[str, float], draws: int = 2000, seed: int = 0) -> dict:
    """Computes the mean over patients, each counted once, with its 95 % interval (``bca_interval``).

    Args:
        values: values by patient. For a difference of two methods, give the difference of each patient.
        draws: number of bootstrap draws over patients.
        seed: seed of the bootstrap.

    Returns:
        ``mean`` (None without patients), ``interval`` (None for fewer than five) and ``patients``, their number.
    """
    found = np.array([values[patient] for patient in sorted(values)], dtype=np.float64)
    interval = None
    if len(found) >= LEAST_LESIONS:
        interval = bca_interval(lambda drawn: float(found[drawn].mean()), len(found), draws, seed)
    return {"mean": float(found.mean()) if len(found) else None, "interval": interval, "patients": len(found)}


def against_floor(
    distance: Distance, synthetic: Rows, held_out: Rows, training: Rows, draws: int = 200, seed: int = 0
) -> dict:
    """Measures the distance of synthetic lesions to the training lesions, and that of held-out real lesions.

    Each seed is measured alone and the distances are averaged. So both sides have about as many lesions and the same
    bias. The bootstrap draws the same patients for synthetic and held-out lesions, so that ``excess`` does not contain
    what they have in common.

    Args:
        distance: function of features (n, d) and (m, d).
        synthetic: lesions at sites of the held-out patients. Rows with NaN are dropped, also below.
        held_out: held-out real lesions.
        training: real lesions of the training.
        draws: number of bootstrap draws.
        seed: seed of the bootstrap.

    Returns:
        ``value``, ``floor`` and ``excess`` (value - floor), each with its 95 % ``..._interval``, which is None if fewer
        than five patients have both synthetic and held-out lesions; ``lesions``, their numbers; and ``patients``, the
        number of these patients.

    Raises:
        LeftOutError: a side has fewer than five lesions.
    """
    synthetic, held_out, training = synthetic.known(), held_out.known(), training.known()
    seeds = np.unique(synthetic.seeds)
    counts = _counted(synthetic, held_out, training)

    def measured(a: Rows, b: Rows, c: Rows) -> tuple[float, float, float]:
        by_seed = [distance(a.values[a.seeds == s], c.values) for s in seeds if (a.seeds == s).any()]
        value, floor = float(np.mean(by_seed)), distance(b.values, c.values)
        return value, floor, value - floor

    # Only patients with lesions on both sides, so that no draw leaves one side empty.
    shared = np.intersect1d(synthetic.patients, held_out.patients)
    intervals: Sequence[list[float] | None] = [None, None, None]
    if len(shared) >= LEAST_LESIONS:
        intervals = bootstrap_intervals(
            lambda here, there: measured(synthetic.drawn(here), held_out.drawn(here), training.drawn(there)),
            shared,
            training.people,
            draws=draws,
            seed=seed,
        )
    names = ("value", "floor", "excess")
    return {
        **dict(zip(names, measured(synthetic, held_out, training), strict=True)),
        "lesions": counts,
        "patients": len(shared),
        **{f"{name}_interval": interval for name, interval in zip(names, intervals, strict=True)},
    }


def _counted(synthetic: Rows, held_out: Rows, training: Rows) -> dict[str, int]:
    """Counts the lesions on each side; for synthetic ones the seed with the fewest."""
    by_seed = (int((synthetic.seeds == seed).sum()) for seed in np.unique(synthetic.seeds))
    counts = {"synthetic": min(by_seed, default=0), "held_out": len(held_out.values), "training": len(training.values)}
    for name, count in counts.items():
        if count < LEAST_LESIONS:
            each = " per seed" if name == "synthetic" else ""
            raise LeftOutError(f"{count} {name.replace('_', '-')} lesions{each}; at least {LEAST_LESIONS} are needed.")
    return counts
