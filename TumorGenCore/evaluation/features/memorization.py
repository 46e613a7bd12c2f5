"""Memorization: does a synthetic lesion repeat a training lesion more closely than real lesions resemble each other?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import Rows, bootstrap_intervals
from TumorGenCore.evaluation.samples import LesionSample
from TumorGenCore.lesions.likeness import in_lesion_frame, likeness, turned_onto, unit_vectors

__all__ = ["memorization", "nearest", "pair_in_frames"]

#: Fewer real nearest-neighbor distances than this have no 5th percentile.
LEAST_REAL = 10
PERCENTILE = 5.0


def nearest(lesions: Sequence[LesionSample], references: Sequence[LesionSample]) -> NDArray[np.float64]:
    """Distances of lesions to references, (n, m): 1 - the highest likeness over the frame's 48 turns and mirrors.

    A lesion and a reference of one patient are infinitely far apart: none is compared with itself.

    Args:
        lesions: n, none with an empty mask. For the likeness see ``lesions.likeness``.
        references: m, none with an empty mask.
    """
    alike = likeness(unit_vectors(_frames(lesions)), unit_vectors(_frames(references)))
    same = np.array([s.patient for s in lesions])[:, None] == np.array([s.patient for s in references])
    return np.where(same, np.inf, 1 - alike.astype(np.float64))


def pair_in_frames(lesion: LesionSample, reference: LesionSample) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lesion, turned and mirrored to resemble the reference most, and the reference, each in its own frame.

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
    """Which synthetic lesions are nearer to a training lesion than real lesions are to those of other patients.

    Two figures of every lesion, synthetic or real (held-out, these made small, and training): the ``distance`` to the
    nearest training lesion; and its ``ratio`` to the distance of the nearest lesion of yet another patient, small where
    one lesion is singled out. A plain blob is near to many; a copy is near to one. Small lesions are plain and round:
    where the real ones are large, only what is made of them says how near two small ones come by chance.

    Args:
        synthetic: lesions; those whose mask is empty are left out.
        held_out: real lesions that the training did not see.
        training: real lesions that it saw.
        made_small: held-out lesions made small, which count as real.
        draws: of the bootstrap over patients.
        seed: of the bootstrap.

    Returns:
        ``real`` and ``synthetic`` lists of {name, patient, nearest, distance, ratio}; ``made_small``, how many of the
        real ones are; ``limit``: the 5th percentile of the real distances; ``near_share`` of the synthetic lesions
        under it (0.05: as real ones) with its 95 % ``near_share_interval``; ``copies``: names of those nearer and more
        singled out than every real lesion.

    Raises:
        LeftOutError: too few lesions.
    """
    grown = [sample for sample in synthetic if sample.mask.any()]
    if len({sample.patient for sample in training}) < 3 or len(held_out) + len(training) < LEAST_REAL or not grown:
        raise LeftOutError(
            f"{len(grown)} synthetic, {len(held_out)} held-out and {len(training)} training lesions; at least one, and "
            f"{LEAST_REAL} real ones with 3 training patients, are needed."
        )
    rows_real, rows_grown = _neighbors([*held_out, *made_small, *training], training), _neighbors(grown, training)
    least = {key: min(row[key] for row in rows_real) for key in ("distance", "ratio")}
    far_real, far_grown = _distances(rows_real), _distances(rows_grown)
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
    """The distances alone, (n, 1)."""
    patients = np.array([row["patient"] for row in rows])
    return Rows(patients, np.zeros(len(rows), int), np.array([[row["distance"]] for row in rows]))


def _limit(real: Rows) -> float:
    return float(np.percentile(real.values, PERCENTILE))


def _near_share(real: Rows, synthetic: Rows) -> float:
    """Share of the synthetic distances under the 5th percentile of the real ones."""
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
