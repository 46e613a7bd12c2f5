"""Patients drawn with replacement: intervals of means, and of a distance beside its real-against-real floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError

__all__ = ["LEAST_LESIONS", "Rows", "against_floor", "bootstrap_intervals", "mean_of_patients"]

#: Fewer lesions on a side have no distribution to speak of, and fewer patients no interval.
LEAST_LESIONS = 5
#: Percentiles at the ends of an interval.
BOUNDS = (2.5, 97.5)

#: From features (n, d) and (m, d) to a number.
Distance = Callable[[NDArray, NDArray], float]


@dataclass(frozen=True)
class Rows:
    """Features of lesions, a row a lesion.

    Args:
        patients: of each row, (n,).
        seeds: of each row, (n,); 0 for real lesions.
        values: (n, d); NaN where a feature is not known.
    """

    patients: NDArray
    seeds: NDArray
    values: NDArray

    @property
    def people(self) -> NDArray:
        """Each patient once, sorted."""
        return np.unique(self.patients)

    def known(self) -> Rows:
        """The rows without NaN."""
        kept = np.isfinite(self.values).all(axis=1)
        return Rows(self.patients[kept], self.seeds[kept], self.values[kept])

    def drawn(self, patients: NDArray) -> Rows:
        """The rows of these patients, each as often as its patient is named."""
        index = np.concatenate([np.flatnonzero(self.patients == patient) for patient in patients])
        return Rows(self.patients[index], self.seeds[index], self.values[index])


def bootstrap_intervals(
    statistic: Callable[..., ArrayLike], *groups: Sequence | NDArray, draws: int = 200, seed: int = 0
) -> list[list[float]]:
    """95 % intervals of figures, by drawing from each group as many members as it has, with replacement.

    Args:
        statistic: from a draw of each group, in their order, to one number or to several, (d,).
        groups: patients or their values, (n,) each.
        draws: how many.
        seed: of the draws.

    Returns:
        The two ends of the interval of each number, [[low, high], ...].
    """
    rng = np.random.default_rng(seed)
    found = [np.atleast_1d(statistic(*(rng.choice(group, len(group)) for group in groups))) for _ in range(draws)]
    return [np.percentile(column, BOUNDS).tolist() for column in np.stack(found, axis=1)]


def mean_of_patients(values: Mapping[str, float], draws: int = 2000, seed: int = 0) -> dict:
    """Mean over patients, each counted once, with its 95 % interval.

    Args:
        values: by patient. For a difference of two methods, give each patient's own difference.
        draws: of the bootstrap over patients.
        seed: of the bootstrap.

    Returns:
        ``mean`` (None without a patient), ``interval`` (None for fewer than five) and ``patients``, their number.
    """
    found = np.array([values[patient] for patient in sorted(values)], dtype=np.float64)
    interval = None
    if len(found) >= LEAST_LESIONS:
        (interval,) = bootstrap_intervals(np.mean, found, draws=draws, seed=seed)
    return {"mean": float(found.mean()) if len(found) else None, "interval": interval, "patients": len(found)}


def against_floor(
    distance: Distance, synthetic: Rows, held_out: Rows, training: Rows, draws: int = 200, seed: int = 0
) -> dict:
    """How far synthetic lesions are from the training lesions, and how far unseen real ones are.

    Synthetic lesions enter one seed at a time, and the distances are averaged: so both sides have about as many
    lesions, and the same bias. The same patients are drawn for the synthetic and the held-out lesions: what they share
    cancels in ``excess``.

    Args:
        distance: from features (n, d) and (m, d).
        synthetic: at sites of the held-out patients. Rows with a NaN are dropped, here and below.
        held_out: real lesions that the training did not see.
        training: real lesions that it saw.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``value``, ``floor`` and ``excess`` (value - floor), each with its 95 % ``..._interval``, which is None for
        fewer than five patients on both sides; ``lesions`` and ``patients``, their numbers.

    Raises:
        LeftOutError: fewer than five lesions on a side.
    """
    synthetic, held_out, training = synthetic.known(), held_out.known(), training.known()
    seeds = np.unique(synthetic.seeds)
    counts = _counted(synthetic, held_out, training)

    def measured(a: Rows, b: Rows, c: Rows) -> tuple[float, float, float]:
        by_seed = [distance(a.values[a.seeds == s], c.values) for s in seeds if (a.seeds == s).any()]
        value, floor = float(np.mean(by_seed)), distance(b.values, c.values)
        return value, floor, value - floor

    # Patients on both sides only: a draw shall not leave one side empty.
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
    """Lesions on each side, of synthetic ones with the seed that has the fewest."""
    by_seed = (int((synthetic.seeds == seed).sum()) for seed in np.unique(synthetic.seeds))
    counts = {"synthetic": min(by_seed, default=0), "held_out": len(held_out.values), "training": len(training.values)}
    for name, count in counts.items():
        if count < LEAST_LESIONS:
            each = " with each seed" if name == "synthetic" else ""
            raise LeftOutError(f"{count} {name.replace('_', '-')} lesions{each}; at least {LEAST_LESIONS} are needed.")
    return counts
