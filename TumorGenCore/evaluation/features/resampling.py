"""A distance to the training lesions, beside its real-against-real floor, with intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_LESIONS", "LeftOutError", "Rows", "against_floor", "mean_of_patients"]

#: Fewer lesions than this on a side have no distribution to speak of.
LEAST_LESIONS = 5

#: From (n, d) and (m, d) to a number.
Distance = Callable[[NDArray, NDArray], float]


class LeftOutError(Exception):
    """A figure cannot be computed from these lesions; its text is the reason that the report gives."""


@dataclass(frozen=True)
class Rows:
    """Features of lesions.

    Args:
        patients: of each row, (n,).
        seeds: of each row, (n,); 0 for real lesions.
        values: (n, d); rows with a NaN are dropped.
    """

    patients: NDArray
    seeds: NDArray
    values: NDArray

    def known(self) -> Rows:
        """The rows without NaN."""
        kept = np.isfinite(self.values).all(axis=1)
        return Rows(self.patients[kept], self.seeds[kept], self.values[kept])

    def drawn(self, patients: NDArray) -> Rows:
        """The rows of these patients, each as often as its patient is named."""
        index = np.concatenate([np.flatnonzero(self.patients == patient) for patient in patients])
        return Rows(self.patients[index], self.seeds[index], self.values[index])


def against_floor(
    distance: Distance, synthetic: Rows, held_out: Rows, training: Rows, draws: int = 200, seed: int = 0
) -> dict:
    """How far synthetic lesions are from the training lesions, and how far unseen real ones are.

    Synthetic lesions enter one seed at a time and the distances are averaged, so that both sides have about as many
    lesions and the same bias. Patients are drawn with replacement, the same ones for the synthetic and the held-out
    lesions, so that what they share cancels in ``excess``.

    Args:
        distance: from (n, d) and (m, d).
        synthetic: at sites of the held-out patients.
        held_out: real lesions that the training did not see.
        training: real lesions that it saw.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``value``, ``floor`` and ``excess`` (value - floor), each with its 95 % ``..._interval``, and the numbers of
        lesions.

    Raises:
        LeftOutError: fewer than five lesions on a side.
    """
    synthetic, held_out, training = synthetic.known(), held_out.known(), training.known()
    seeds = np.unique(synthetic.seeds)
    counts = {
        "synthetic": min((int((synthetic.seeds == s).sum()) for s in seeds), default=0),
        "held_out": len(held_out.values),
        "training": len(training.values),
    }
    for name, count in counts.items():
        if count < LEAST_LESIONS:
            each = " with each seed" if name == "synthetic" else ""
            raise LeftOutError(f"{count} {name.replace('_', '-')} lesions{each}; at least {LEAST_LESIONS} are needed.")

    def both(a: Rows, b: Rows, c: Rows) -> tuple[float, float]:
        by_seed = [distance(a.values[a.seeds == s], c.values) for s in seeds if (a.seeds == s).any()]
        return float(np.mean(by_seed)), distance(b.values, c.values)

    value, floor = both(synthetic, held_out, training)
    # Patients on both sides only: a draw shall not leave one side empty.
    shared = np.intersect1d(synthetic.patients, held_out.patients)
    known = np.unique(training.patients)
    figures = {"value": value, "floor": floor, "excess": value - floor, "lesions": counts, "patients": len(shared)}
    if len(shared) < LEAST_LESIONS:
        return {**figures, **{f"{key}_interval": None for key in ("value", "floor", "excess")}}
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(draws):
        here = rng.choice(shared, len(shared))
        there = training.drawn(rng.choice(known, len(known)))
        drawn.append(both(synthetic.drawn(here), held_out.drawn(here), there))
    values, floors = np.asarray(drawn).T
    for key, sample in (("value", values), ("floor", floors), ("excess", values - floors)):
        figures[f"{key}_interval"] = [float(bound) for bound in np.percentile(sample, [2.5, 97.5])]
    return figures


def mean_of_patients(values: Mapping[str, float], draws: int = 2000, seed: int = 0) -> dict:
    """Mean over patients, each counted once, with its 95 % interval.

    Args:
        values: by patient; for a difference of two methods, each patient's own.
        draws: of the bootstrap over patients.
        seed: of the bootstrap.

    Returns:
        ``mean`` (None without a patient), ``interval`` (None for fewer than five) and ``patients``, their number.
    """
    known = np.array([values[patient] for patient in sorted(values)], dtype=np.float64)
    interval = None
    if len(known) >= LEAST_LESIONS:
        drawn = np.random.default_rng(seed).choice(known, (draws, len(known))).mean(axis=1)
        interval = [float(bound) for bound in np.percentile(drawn, [2.5, 97.5])]
    return {"mean": float(known.mean()) if len(known) else None, "interval": interval, "patients": len(known)}
