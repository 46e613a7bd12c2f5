"""Summary of one synthetic volume, without voxels. This module imports no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from TumorGenCore.lesions.measures import LesionMeasures
from TumorGenCore.lesions.quality import QualityScore

__all__ = ["VariantSummary"]


@dataclass(frozen=True)
class VariantSummary:
    """Summary of a variant for reports, tables and nodes.

    Args:
        seed: seed of the variant.
        measures: measures of all its tumors together.
        quality: quality of its poorest tumor.
        warnings: warnings for the user, in plain words.
        seconds: time of the variant.
        part_seconds: time of each part of the insertion of its first tumor, with the preparation.
        provenance: record of how it was made.
    """

    seed: int
    measures: LesionMeasures
    quality: QualityScore
    warnings: tuple[str, ...]
    seconds: float
    part_seconds: dict[str, float]
    provenance: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Returns its numbers as JSON values, without warnings and provenance."""
        measures = {
            name: round(value, 3) if math.isfinite(value) else None for name, value in asdict(self.measures).items()
        }
        return {"seed": self.seed, **measures, "quality": self.quality.as_dict(), "parts": self.part_seconds}
