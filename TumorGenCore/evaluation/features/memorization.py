"""Memorization: does a synthetic lesion resemble a training lesion more than real lesions resemble each other?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, Rows, bootstrap_intervals
from TumorGenCore.evaluation.samples import LesionSample
from TumorGenCore.lesions.likeness import in_lesion_frame, likeness, turned_onto, unit_vectors

__all__ = ["memorization", "nearest", "pair_in_frames"]

#: Least number of real nearest-neighbor distances for a 5th percentile.
LEAST_REAL = 10
PERCENTILE = 5.0


def nearest(lesions: Sequence[LesionSample], references: Sequence[LesionSample]) -> NDArray[np.float64]:
    """Distances of lesions to references, (n, m): 1 - the highest likeness over 48 rotations and mirrorings.

    The distance between lesions of one patient is infinite, so that no lesion is compared with itself. For the likeness
    see ``lesions.likeness``.

    Args:
        lesions: n lesions without empty masks.
        references: m lesions without empty masks.
    """
    alike = likeness(unit_vectors(_frames(lesions)), unit_vectors(_frames(references)))
    same = np.array([s.patient for s in lesions])[:, None] == np.array([s.patient for s in references])
    return np.where(same, np.inf, 1 - alike.astype(np.float64))


def pair_in_frames(lesion: LesionSample, reference: LesionSample) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns lesion and reference, each in its own frame; the lesion is rotated and mirrored to fit the reference.

    Both are cubes (k, j, i) of one size, see ``lesions.likeness.in_lesion_frame``.
    """
    frame, onto = _frames([lesion, reference])
    return turned_onto(frame, onto), onto


def memorization(
    synthetic: Sequence[LesionSample],
    held_out: Sequence[LesionSample],
    training: Sequence[LesionSample],
    made_small: Sequence[LesionSample] = (),
    draws: int = 200,
    seed: int = 0,
) -> dict:
    """Finds synthetic lesions that are nearer to a training lesion than real lesions are to those of other patients.

    Every lesion has two values, whether synthetic or real (held-out, made small, training). ``distance`` is the
    distance to the nearest training lesion. ``ratio`` is this distance divided by the distance to the nearest lesion of
    a second patient. A plain blob is near to many lesions; a copy is near to one only and has a small ratio. Small
    lesions are plain and round. If the real lesions are large, only their versions made small show how similar two
    small lesions are by chance.

    Args:
        synthetic: synthetic lesions; empty masks are ignored.
        held_out: held-out real lesions.
        training: real lesions of the training.
        made_small: held-out lesions made small; they count as real.
        draws: number of bootstrap draws over patients.
        seed: seed of the bootstrap.

    Returns:
        ``real`` and ``synthetic``: lists of {name, patient, nearest, distance, ratio}; ``made_small``: number of
        lesions made small among the real ones; ``limit``: 5th percentile of the real distances; ``near_share``: share
        of the synthetic lesions below it (0.05 equals real lesions), with its 95 % ``near_share_interval`` (None for
        fewer than five patients on a side); ``copies``: names of lesions with a smaller distance and a smaller ratio
        than every real lesion.

    Raises:
        LeftOutError: there are too few lesions.
    """
    grown = [sample for sample in synthetic if sample.mask.any()]
    if len({sample.patient for sample in training}) < 3 or len(held_out) + len(training) < LEAST_REAL or not grown:
        raise LeftOutError(
            f"{len(grown)} synthetic, {len(held_out)} held-out and {len(training)} training lesions; the test needs "
            f"one synthetic lesion, {LEAST_REAL} real ones and 3 training patients."
        )
    rows_real, rows_grown = _neighbors([*held_out, *made_small, *training], training), _neighbors(grown, training)
    least = {key: min(row[key] for row in rows_real) for key in ("distance", "ratio")}
    far_real, far_grown = _distances(rows_real), _distances(rows_grown)
    interval = None
    if min(len(far_real.people), len(far_grown.people)) >= LEAST_LESIONS:
        (interval,) = bootstrap_intervals(
            lambda these, those: _near_share(far_real.drawn(these), far_grown.drawn(those)),
            far_real.people,
            far_grown.people,
            draws=draws,
            seed=seed,
        )
    return {
        "real": rows_real,
        "made_small": len(made_small),
        "synthetic": rows_grown,
        "limit": _limit(far_real),
        "near_share": _near_share(far_real, far_grown),
        "near_share_interval": interval,
        "copies": [row["name"] for row in rows_grown if all(row[key] < least[key] for key in least)],
    }


def _frames(samples: Sequence[LesionSample]) -> NDArray[np.float32]:
    return np.stack([in_lesion_frame(sample.suv, sample.mask, sample.spacing_mm) for sample in samples])


def _distances(rows: Sequence[dict]) -> Rows:
    """Returns the distances alone, (n, 1)."""
    patients = np.array([row["patient"] for row in rows])
    return Rows(patients, np.zeros(len(rows), int), np.array([[row["distance"]] for row in rows]))


def _limit(real: Rows) -> float:
    return float(np.percentile(real.values, PERCENTILE))


def _near_share(real: Rows, synthetic: Rows) -> float:
    """Share of the synthetic distances below the 5th percentile of the real ones."""
    return float(np.mean(synthetic.values < _limit(real)))


def _neighbors(lesions: Sequence[LesionSample], training: Sequence[LesionSample]) -> list[dict]:
    distances = nearest(lesions, training)
    patients = np.array([sample.patient for sample in training])
    rows = []
    for lesion, row in zip(lesions, distances, strict=True):
        first = int(np.argmin(row))
        second = float(row[patients != patients[first]].min())
        rows.append(
            {
                "name": lesion.name,
                "patient": lesion.patient,
                "nearest": training[first].name,
                "distance": float(row[first]),
                "ratio": float(row[first] / max(second, 1e-9)),
            }
        )
    return rows
