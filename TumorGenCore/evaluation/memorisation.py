"""Memorisation: does a synthetic lesion repeat a training lesion more closely than real lesions resemble each other?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from TumorGenCore.evaluation.resampling import LeftOutError
from TumorGenCore.evaluation.samples import LesionSample

__all__ = ["in_lesion_frame", "memorisation", "nearest", "turned_onto"]

#: Points along each edge of the lesion's frame.
POINTS = 20
#: Fewer real nearest-neighbour distances than this have no 5th percentile.
LEAST_REAL = 10
PERCENTILE = 5.0


def in_lesion_frame(sample: LesionSample) -> NDArray[np.float32]:
    """A lesion's uptake in a frame of its own: (20, 20, 20) along its principal axes, the same size for every lesion.

    The centre is the mask's centroid, the edge its longest extent; uptake outside the mask is 0 and inside it is over
    the lesion's 95th percentile. Place, direction, size and height of the uptake do not matter any more.

    Raises:
        ValueError: the mask is empty.
    """
    spacing = np.asarray(sample.spacing_mm[::-1])
    points = np.argwhere(sample.mask) * spacing
    if len(points) == 0:
        raise ValueError(f"{sample.name} has an empty mask; leave it out.")
    centre = points.mean(axis=0)
    _, axes = np.linalg.eigh((points - centre).T @ (points - centre))
    reach = float(np.abs((points - centre) @ axes).max()) + spacing.mean() / 2
    along = np.linspace(-reach, reach, POINTS)
    frame = np.stack(np.meshgrid(along, along, along, indexing="ij"), axis=-1) @ axes.T + centre
    where = np.moveaxis(frame / spacing, -1, 0)
    top = max(float(np.percentile(sample.suv[sample.mask], 95)), 1e-6)
    inside = ndimage.map_coordinates(sample.mask.astype(np.float32), where, order=1, mode="constant") > 0.5
    return np.where(inside, ndimage.map_coordinates(sample.suv, where, order=1, mode="nearest") / top, 0)


def nearest(lesions: Sequence[LesionSample], references: Sequence[LesionSample]) -> NDArray[np.float64]:
    """Distances (n, m): 1 - the highest likeness over the frame's 48 rotations and mirrors.

    The likeness is the mean of two correlations: of the masks, and of the uptake's deviations from its mean inside
    them. By shape alone any plain lump would pass for a copy of any other.

    A lesion and a reference of one patient are infinitely far apart, so that none is compared with itself.
    """
    units = _units(np.stack([in_lesion_frame(sample) for sample in references]))
    frames = np.stack([in_lesion_frame(sample) for sample in lesions])
    best = np.full((len(lesions), len(references)), -1.0)
    for turned in _turned(frames):
        best = np.maximum(best, _units(turned) @ units.T)
    same = np.array([s.patient for s in lesions])[:, None] == np.array([s.patient for s in references])
    return np.where(same, np.inf, 1 - best)


def turned_onto(lesion: LesionSample, reference: LesionSample) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lesion in its frame, turned and mirrored to resemble the reference most, and the reference in its own."""
    frame, onto = in_lesion_frame(lesion)[None], in_lesion_frame(reference)
    unit = _units(onto[None])[0]
    return max(_turned(frame), key=lambda turned: float(_units(turned)[0] @ unit))[0], onto


def memorisation(
    synthetic: Sequence[LesionSample],
    held_out: Sequence[LesionSample],
    training: Sequence[LesionSample],
    draws: int = 200,
    seed: int = 0,
) -> dict:
    """Which synthetic lesions are nearer to a training lesion than real lesions are to those of other patients.

    Two figures of every lesion, synthetic or real (held-out and training): the ``distance`` to the nearest training
    lesion; and its ``ratio`` to the distance of the nearest lesion of yet another patient, small where one lesion is
    singled out. A plain blob is near to many; a copy is near to one.

    Args:
        synthetic, held_out, training: lesions; those whose mask is empty are left out.
        draws: of the bootstrap over patients.
        seed: of the bootstrap.

    Returns:
        ``real`` and ``synthetic`` lists of {name, patient, nearest, distance, ratio}; ``limit``: the 5th percentile of
        the real distances; ``near_share`` of the synthetic lesions under it (0.05: as real ones) with its 95 %
        ``near_share_interval``; ``copies``: names of those nearer and more singled out than every real lesion.

    Raises:
        LeftOutError: too few lesions.
    """
    grown = [sample for sample in synthetic if sample.mask.any()]
    if len({sample.patient for sample in training}) < 3 or len(held_out) + len(training) < LEAST_REAL or not grown:
        raise LeftOutError(
            f"{len(grown)} synthetic, {len(held_out)} held-out and {len(training)} training lesions; at least one, and "
            f"{LEAST_REAL} real ones with 3 training patients, are needed."
        )
    rows_real, rows_grown = _neighbours([*held_out, *training], training), _neighbours(grown, training)
    least = {key: min(row[key] for row in rows_real) for key in ("distance", "ratio")}
    limit, share = _near([row["distance"] for row in rows_real], [row["distance"] for row in rows_grown])
    rng = np.random.default_rng(seed)
    shares = [_near(_drawn(rows_real, rng), _drawn(rows_grown, rng))[1] for _ in range(draws)]
    return {
        "real": rows_real,
        "synthetic": rows_grown,
        "limit": limit,
        "near_share": share,
        "near_share_interval": [float(bound) for bound in np.percentile(shares, [2.5, 97.5])],
        "copies": [row["name"] for row in rows_grown if all(row[key] < least[key] for key in least)],
    }


def _turned(frames: NDArray) -> Iterator[NDArray]:
    """All frames (n, k, j, i) in each of the 48 rotations and mirrors."""
    for order in permutations((1, 2, 3)):
        for flips in product((False, True), repeat=3):
            yield np.flip(frames.transpose(0, *order), tuple(a for a, flip in enumerate(flips, 1) if flip))


def _near(real: Sequence[float], synthetic: Sequence[float]) -> tuple[float, float]:
    """The 5th percentile of the real distances, and the share of the synthetic ones under it."""
    limit = float(np.percentile(real, PERCENTILE))
    return limit, float(np.mean(np.asarray(synthetic) < limit))


def _drawn(rows: Sequence[dict], rng: np.random.Generator) -> list[float]:
    """Distances of patients drawn with replacement."""
    patients = sorted({row["patient"] for row in rows})
    drawn = rng.choice(patients, len(patients))
    return [row["distance"] for patient in drawn for row in rows if row["patient"] == patient]


def _neighbours(lesions: Sequence[LesionSample], training: Sequence[LesionSample]) -> list[dict]:
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


def _units(frames: NDArray) -> NDArray[np.float64]:
    """Vectors (n, 2 * 20^3) whose scalar product is the likeness of two frames: of shape and of pattern by halves."""
    flat = frames.reshape(len(frames), -1).astype(np.float64)
    shape = (flat != 0).astype(np.float64)
    means = flat.sum(axis=1, keepdims=True) / np.maximum(shape.sum(axis=1, keepdims=True), 1)
    parts = (shape - shape.mean(axis=1, keepdims=True), (flat - means) * shape)
    return np.hstack([part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in parts]) / 2**0.5
