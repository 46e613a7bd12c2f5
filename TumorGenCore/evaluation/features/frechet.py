"""Frechet distance of features in few dimensions, which needs only few lesions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.features.left_out import LeftOutError
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS, Rows, against_floor

__all__ = ["Projection", "frechet_distance", "frechet_of_features", "most_components"]

#: Largest number of principal components.
MOST_COMPONENTS = 8


def frechet_distance(a: NDArray, b: NDArray) -> float:
    """Returns |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), the distance of two samples treated as Gaussians.

    (Dowson and Landau, J. Multivar. Anal. 1982, 12, 450; Heusel et al., NeurIPS 2017.)

    Args:
        a: features, (n, d).
        b: features, (m, d).
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
    """Projection of features on the first principal components of the training lesions.

    The total variance of the components over the training lesions is 1. So a Frechet distance of 1 is a shift as large
    as their whole spread.

    Args:
        mean: mean features of the training lesions, (d,).
        weights: matrix from features to components, (d, c).
        explained: share of the training lesions' variance that the components keep.
    """

    mean: NDArray
    weights: NDArray
    explained: float

    @classmethod
    def fitted(cls, training: NDArray, components: int, common_unit: bool = False) -> Projection:
        """Fits the projection to the training lesions.

        Args:
            training: features of the training lesions, (n, d).
            components: largest number of components.
            common_unit: the features have a common unit, like the activations of a network, and are not rescaled.
                Otherwise each feature is divided by its standard deviation, and dropped if it does not vary. This would
                not suit a network: some of its features are almost 0 in all training lesions. After division by such a
                small deviation, a single lesion with a larger value would lie far away from all others.

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
            raise LeftOutError("All training lesions have the same features.")
        unit = np.sqrt(kept / (len(training) - 1))
        return cls(mean, scale[:, None] * axes[:components].T / unit, kept / total)

    def __call__(self, features: NDArray) -> NDArray:
        """Projects features (n, d) on components (n, c)."""
        return (features - self.mean) @ self.weights


def most_components(synthetic: Rows, held_out: Rows, training: Rows, parts: int = 1) -> int:
    """Returns the number of components that leaves two lesions per component in the smallest group.

    Then the covariance of every group has full rank.

    Args:
        synthetic: features, (n, d); each seed is a group.
        held_out: features of held-out real lesions.
        training: features of real lesions of the training.
        parts: number of blocks of equal length in the features.

    Raises:
        LeftOutError: there are too few lesions.
    """
    synthetic, held_out, training = synthetic.known(), held_out.known(), training.known()
    by_seed = [int((synthetic.seeds == s).sum()) for s in np.unique(synthetic.seeds)]
    smallest = min(len(held_out.values), len(training.values), *by_seed) if by_seed else 0
    if smallest < LEAST_LESIONS:
        raise LeftOutError(f"The smallest group has {smallest} lesions; it needs at least {LEAST_LESIONS}.")
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
    """Measures the Frechet distance to the training lesions, and its floor (see ``against_floor``).

    The features are projected on a few principal components of the training lesions.

    Args:
        synthetic: features, (n, d). Rows with NaN are dropped, also below.
        held_out: features of held-out real lesions.
        training: features of real lesions of the training.
        parts: number of blocks of equal length in the features; the distances of the blocks are averaged.
        draws: number of bootstrap draws.
        seed: seed of the bootstrap.
        components: number of components, at most ``most_components``; None takes that number. Only distances with the
            same number can be compared.
        common_unit: see ``Projection.fitted``.

    Returns:
        The result of ``against_floor``; ``features``, the number of features in a block; ``components``, the number of
        components; and ``explained``, the share of the variance that they keep.

    Raises:
        LeftOutError: there are too few lesions, or the features do not vary.
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
