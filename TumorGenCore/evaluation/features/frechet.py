"""Frechet distance of features in few dimensions, so that few lesions are enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, Rows, against_floor

__all__ = ["Projection", "frechet_distance", "frechet_of_features", "most_components"]

#: Most principal components that are kept.
MOST_COMPONENTS = 8


def frechet_distance(a: NDArray, b: NDArray) -> float:
    """|mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)): distance of two samples, each taken as a Gaussian.

    (Dowson and Landau, J. Multivar. Anal. 1982, 12, 450; Heusel et al., NeurIPS 2017.)

    Args:
        a: (n, d).
        b: (m, d).
    """
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    # S_a S_b has the eigenvalues of the symmetric S_a^1/2 S_b S_a^1/2, which stay real and non-negative.
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)


@dataclass(frozen=True)
class Projection:
    """Features less the training lesions' mean, on their first principal components.

    The components' total variance over the training lesions is 1: a Frechet distance of 1 is a shift as large as their
    whole spread.

    Args:
        mean: of the training lesions' features, (d,).
        weights: from features to components, (d, c).
        explained: share of the training lesions' variance that the components keep.
    """

    mean: NDArray
    weights: NDArray
    explained: float

    @classmethod
    def fitted(cls, training: NDArray, components: int, common_unit: bool = False) -> Projection:
        """The projection on the first principal components of the training lesions.

        Args:
            training: their features, (n, d).
            components: how many are kept at most.
            common_unit: the features are of one kind, as a network's activations are, and are taken as they come.
                Otherwise each is divided by its deviation, and left out where it does not vary. Some features of a
                network are next to silent in the training lesions. Divided by so small a deviation, one of them would
                put the one lesion in which it speaks farther away than all others.

        Raises:
            LeftOutError: the lesions do not differ.
        """
        mean, deviation = training.mean(axis=0), training.std(axis=0)
        varies = deviation > 1e-9 * np.maximum(np.abs(mean), 1e-9)
        scale = varies / (1.0 if common_unit else np.maximum(deviation, 1e-300))
        _, singular, axes = np.linalg.svd((training - mean) * scale, full_matrices=False)
        total = float((singular**2).sum())
        kept = float((singular[:components] ** 2).sum())
        if kept <= 0:
            raise LeftOutError("The features are the same for all training lesions.")
        unit = np.sqrt(kept / (len(training) - 1))
        return cls(mean, scale[:, None] * axes[:components].T / unit, kept / total)

    def __call__(self, features: NDArray) -> NDArray:
        """Components (n, c) of features (n, d)."""
        return (features - self.mean) @ self.weights


def most_components(synthetic: Rows, held_out: Rows, training: Rows, parts: int = 1) -> int:
    """Number of components of which each has two lesions in the smallest group, whose covariance then has full rank.

    Args:
        synthetic: features, (n, d); its groups are the seeds.
        held_out: features of real lesions that the training did not see.
        training: features of real lesions that it saw.
        parts: the features are so many blocks of one length.

    Raises:
        LeftOutError: too few lesions.
    """
    synthetic, held_out, training = synthetic.known(), held_out.known(), training.known()
    by_seed = [int((synthetic.seeds == s).sum()) for s in np.unique(synthetic.seeds)]
    smallest = min(len(held_out.values), len(training.values), *by_seed) if by_seed else 0
    if smallest < LEAST_LESIONS:
        raise LeftOutError(f"The smallest group has {smallest} lesions; at least {LEAST_LESIONS} are needed.")
    return min(MOST_COMPONENTS, smallest // 2, training.values.shape[1] // parts)


def frechet_of_features(
    synthetic: Rows,
    held_out: Rows,
    training: Rows,
    parts: int = 1,
    draws: int = 200,
    seed: int = 0,
    components: int | None = None,
    common_unit: bool = False,
) -> dict:
    """Frechet distance to the training lesions beside its floor (see ``against_floor``).

    The features are projected on a few principal components, fixed on the training lesions.

    Args:
        synthetic: features, (n, d); rows with a NaN are dropped, here and below.
        held_out: features of real lesions that the training did not see.
        training: features of real lesions that it saw.
        parts: the features are so many blocks of one length, whose distances are averaged.
        draws: of the bootstrap.
        seed: of the bootstrap.
        components: at most ``most_components``, which None takes. Only distances with one number can be compared.
        common_unit: see ``Projection.fitted``.

    Returns:
        What ``against_floor`` returns; ``features``, their number in a block; ``components``, their number; and
        ``explained``, the share of the variance that the components keep.

    Raises:
        LeftOutError: too few lesions, or features that do not vary.
    """
    synthetic, held_out, training = synthetic.known(), held_out.known(), training.known()
    kept = most_components(synthetic, held_out, training, parts) if components is None else components
    projections = [Projection.fitted(block, kept, common_unit) for block in np.split(training.values, parts, axis=1)]

    def projected(rows: Rows) -> Rows:
        blocks = np.split(rows.values, parts, axis=1)
        values = [project(block) for project, block in zip(projections, blocks, strict=True)]
        return Rows(rows.patients, rows.seeds, np.concatenate(values, axis=1))

    def distance(a: NDArray, b: NDArray) -> float:
        pairs = zip(np.split(a, parts, axis=1), np.split(b, parts, axis=1), strict=True)
        return float(np.mean([frechet_distance(x, y) for x, y in pairs]))

    found = against_floor(distance, projected(synthetic), projected(held_out), projected(training), draws, seed)
    explained = float(np.mean([project.explained for project in projections]))
    features = training.values.shape[1] // parts
    return {**found, "features": features, "components": kept, "explained": explained}
