"""Quantiles of lesions in large public data sets, for comparison in a report."""

from __future__ import annotations

import json
from pathlib import Path

from TumorGenCore.errors import TrainingDataError

__all__ = ["FIELD_NAMES", "read_field_statistics"]

#: Our name of a statistic -> name in the file. Sphericity is missing, because surfaces are measured in too many ways.
FIELD_NAMES = {
    "volume_ml": "volume_ml",
    "suv_max": "suvmax",
    "suv_mean": "suvmean",
    "suv_peak": "suvpeak",
    "tlg": "tlg",
}


def read_field_statistics(path: Path) -> dict[str, dict]:
    """Reads a file of quantiles: {source: {"quantile_levels": [...], "volume_ml": [...], "suvmax": [...], ...}}.

    Returns:
        For each source ``levels``, and ``quantiles`` of its statistics by our names.

    Raises:
        TrainingDataError: the file has another format.
        OSError: the file cannot be read.
    """
    try:
        sources = json.loads(path.read_text())
        read = {}
        for name, source in sources.items():
            levels = [float(level) for level in source["quantile_levels"]]
            known = {ours: source[theirs] for ours, theirs in FIELD_NAMES.items() if theirs in source}
            if any(len(values) != len(levels) for values in known.values()):
                raise ValueError(f"{name} does not have one value per level")
            read[name] = {"levels": levels, "quantiles": {key: [float(v) for v in known[key]] for key in known}}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingDataError(
            f"{path.name} contains no lesion quantiles ({error!r}); give a file with "
            '{"source": {"quantile_levels": [...], "suvmax": [...], ...}}, or none.'
        ) from error
    return read
