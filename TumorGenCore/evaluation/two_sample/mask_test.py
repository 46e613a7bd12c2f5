"""The two-sample test on masks alone: can classifiers tell one sample of masks from another by form and fill?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.statistics import quantiles
from TumorGenCore.evaluation.two_sample.classifiers import auc_interval, auc_of, features_pipelines, out_of_fold
from TumorGenCore.evaluation.two_sample.mask_features import MASK_FEATURES, mask_features
from TumorGenCore.volumes.geometry import Box

__all__ = ["FEATURES", "PARTS", "MaskRow", "compared", "mask_row", "spread_of"]

#: Features of a row, with their names in reports.
FEATURES = {**MASK_FEATURES, "fill": "fill of the box"}
#: What the classifiers see, by part of the test.
PARTS = {"shape": tuple(MASK_FEATURES), "shape and fill": tuple(FEATURES)}
#: Deals of the patients into folds.
DEALS = 4

#: Patient, volume (ml) and ``FEATURES`` of a mask.
MaskRow = dict[str, float | str]


def mask_row(patient: str, mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], box: Box) -> MaskRow:
    """Measures a mask in its box.

    Args:
        patient: patient of the lesion, or of the real lesion in whose box a synthetic one grew.
        mask: (k, j, i).
        spacing_mm: voxel edges along i, j, k.
        box: the box.
    """
    volume_ml = float(mask.sum() * np.prod(spacing_mm)) / 1000
    return {
        "patient": patient,
        "volume_ml": volume_ml,
        **mask_features(mask, spacing_mm),
        "fill": volume_ml / box.volume_ml,
    }


def compared(real: Sequence[MaskRow], others: Sequence[MaskRow]) -> dict:
    """Tells a sample of masks from real ones; no classifier is tested on a patient that it learned from.

    Args:
        real: the real masks.
        others: the other masks; there may be several for each real one.

    Returns:
        For each of ``PARTS`` ``auc`` and ``interval`` (95 %, over patients).
    """
    rows = [*real, *others]
    other = np.arange(len(rows)) >= len(real)
    patients = np.array([row["patient"] for row in rows])
    found = {}
    for part, names in PARTS.items():
        values = np.array([[row[name] for name in names] for row in rows], dtype=np.float64)
        scores = out_of_fold(values, other, patients, features_pipelines, 0, DEALS)
        auc, interval = auc_interval(scores, other, patients)
        found[part] = {"auc": auc, "interval": interval}
    return found


def spread_of(rows: Sequence[MaskRow], real: Sequence[MaskRow] | None = None) -> dict:
    """Returns the quantiles of each of ``FEATURES`` and, against real masks, how often it is larger than theirs.

    Args:
        rows: masks.
        real: real masks; None leaves ``larger`` out.
    """
    found: dict = {}
    for name in FEATURES:
        values = _known(rows, name)
        found[name] = quantiles(values.tolist())
        if real is not None:
            both = np.concatenate([values, _known(real, name)])
            found[name]["larger"] = auc_of(both, np.arange(len(both)) < len(values))
    return found


def _known(rows: Sequence[MaskRow], name: str) -> NDArray[np.float64]:
    values = np.array([row[name] for row in rows], dtype=np.float64)
    return values[np.isfinite(values)]
