"""Lesion statistics of real and synthetic lesions as distributions, and how far apart they are."""

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

#: Names in the report, in its order.
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
#: Compared as natural logarithms: volumes and uptakes spread over decades. The shares are not.
LOGARITHMIC = (*STATISTICS[:6], "edge_fwhm_mm")


def lesion_statistics(sample: LesionSample) -> dict[str, float]:
    """Every statistic of a lesion; NaN where it cannot be measured, all of them where no tumor grew."""
    if not sample.mask.any():
        return dict.fromkeys(STATISTICS, float("nan"))
    measured = asdict(measure_lesion(sample.suv, sample.mask, sample.spacing_mm))
    measured["sphericity"] = sphericity(sample.mask, sample.spacing_mm)
    measured["edge_fwhm_mm"] = edge_fwhm_mm(sample.suv, sample.mask, sample.spacing_mm)
    measured["necrosis_fraction"] = necrosis_fraction(sample.suv, sample.mask, sample.spacing_mm)
    return {name: measured[name] for name in STATISTICS}


def statistic_rows(samples: Sequence[LesionSample], statistics: Sequence[dict[str, float]], name: str) -> Rows:
    """One statistic of n lesions, (n, 1), as it is compared: as its logarithm where it is one of ``LOGARITHMIC``.

    Args:
        samples: the lesions.
        statistics: of each, as ``lesion_statistics`` gives them.
        name: of the statistic.
    """
    values = np.array([[row[name]] for row in statistics], dtype=float).reshape(-1, 1)
    if name in LOGARITHMIC:
        values = np.log(np.where(values > 0, values, np.nan))
    return sample_rows(samples, values)


def compare_statistics(synthetic: Rows, held_out: Rows, training: Rows, draws: int = 200, seed: int = 0) -> dict:
    """Kolmogorov-Smirnov and Wasserstein distances of one statistic to the training lesions; see ``against_floor``.

    Args:
        synthetic: ``statistic_rows``, (n, 1).
        held_out: the same of real lesions that the training did not see.
        training: the same of real lesions that it saw.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``kolmogorov_smirnov`` and ``wasserstein`` (in the statistic's unit, or natural-logarithm units), or
        ``left_out`` with the reason.
    """
    return or_reason(
        lambda: {
            "kolmogorov_smirnov": against_floor(_kolmogorov_smirnov, synthetic, held_out, training, draws, seed),
            "wasserstein": against_floor(_wasserstein, synthetic, held_out, training, draws, seed),
        }
    )


def _kolmogorov_smirnov(a: NDArray, b: NDArray) -> float:
    return float(stats.ks_2samp(a[:, 0], b[:, 0], method="asymp").statistic)


def _wasserstein(a: NDArray, b: NDArray) -> float:
    return float(stats.wasserstein_distance(a[:, 0], b[:, 0]))
