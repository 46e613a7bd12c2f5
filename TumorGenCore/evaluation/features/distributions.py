"""Distributions of lesion statistics, and distances between those of real and synthetic lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from TumorGenCore.evaluation.features.left_out import or_reason
from TumorGenCore.evaluation.features.lesion_shape import edge_fwhm_mm, necrosis_fraction, sphericity
from TumorGenCore.evaluation.features.resampling import Rows, against_floor
from TumorGenCore.evaluation.samples import LesionSample, sample_rows
from TumorGenCore.lesions.measures import measure_lesion

__all__ = ["LOGARITHMIC", "STATISTICS", "compare_statistics", "lesion_statistics", "statistic_rows"]

#: Names of the statistics, in the order of the report.
STATISTICS = (
    "volume_ml",
    "suv_max",
    "suv_mean",
    "suv_peak",
    "mtv_ml",
    "tlg",
    "sphericity",
    "edge_fwhm_mm",
    "necrosis_fraction",
)
#: Statistics compared as natural logarithms, because volumes and uptakes spread over decades.
LOGARITHMIC = (*STATISTICS[:6], "edge_fwhm_mm")


def lesion_statistics(sample: LesionSample) -> dict[str, float]:
    """Measures every statistic of a lesion; NaN if one cannot be measured, all NaN if no tumor grew."""
    if not sample.mask.any():
        return dict.fromkeys(STATISTICS, float("nan"))
    measured = asdict(measure_lesion(sample.suv, sample.mask, sample.spacing_mm))
    measured["sphericity"] = sphericity(sample.mask, sample.spacing_mm)
    measured["edge_fwhm_mm"] = edge_fwhm_mm(sample.suv, sample.mask, sample.spacing_mm)
    measured["necrosis_fraction"] = necrosis_fraction(sample.suv, sample.mask, sample.spacing_mm)
    return {name: measured[name] for name in STATISTICS}


def statistic_rows(samples: Sequence[LesionSample], statistics: Sequence[dict[str, float]], name: str) -> Rows:
    """Returns one statistic of n lesions for comparisons, (n, 1); as logarithm if it is one of ``LOGARITHMIC``.

    Args:
        samples: the lesions.
        statistics: result of ``lesion_statistics`` for each lesion.
        name: name of the statistic.
    """
    values = np.array([[row[name]] for row in statistics], dtype=float).reshape(-1, 1)
    if name in LOGARITHMIC:
        values = np.log(np.where(values > 0, values, np.nan))
    return sample_rows(samples, values)


def compare_statistics(synthetic: Rows, held_out: Rows, training: Rows, draws: int = 200, seed: int = 0) -> dict:
    """Measures how far one statistic is from that of the training lesions; see ``against_floor``.

    Args:
        synthetic: ``statistic_rows`` of the synthetic lesions, (n, 1).
        held_out: the same for held-out real lesions.
        training: the same for real lesions of the training.
        draws: number of bootstrap draws.
        seed: seed of the bootstrap.

    Returns:
        The distances ``kolmogorov_smirnov`` and ``wasserstein`` (in the unit of the statistic or of its natural
        logarithm), or ``left_out`` with the reason.
    """
    return or_reason(
        lambda: {
            "kolmogorov_smirnov": against_floor(_kolmogorov_smirnov, synthetic, held_out, training, draws, seed),
            "wasserstein": against_floor(_wasserstein, synthetic, held_out, training, draws, seed),
        }
    )


def _kolmogorov_smirnov(a: NDArray, b: NDArray) -> float:
    """Largest distance of the cumulative distributions; SciPy's test computes a p-value too, which takes far longer."""
    both = np.concatenate([a[:, 0], b[:, 0]])
    shares = [np.searchsorted(np.sort(side[:, 0]), both, side="right") / len(side) for side in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def _wasserstein(a: NDArray, b: NDArray) -> float:
    return float(stats.wasserstein_distance(a[:, 0], b[:, 0]))
