"""All that is to be said of one synthetic volume, without its voxels. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from TumorGenCore.lesions.measures import LesionMeasures
from TumorGenCore.lesions.quality import QualityScore

__all__ = ["VariantSummary"]


@dataclass(frozen=True)
class VariantSummary:
    """What a report, a table or a node says of a variant.

    Args:
        seed: the variant's.
        measures: of all its tumors together.
        quality: of its poorest tumor.
        warnings: what the user should know, in plain words.
        seconds: it took.
        part_seconds: of its first tumor, by the parts of an insertion; the preparation is among them.
        provenance: how it was made.
    """

    seed: int
    measures: LesionMeasures
    quality: QualityScore
    warnings: tuple[str, ...]
    seconds: float
    part_seconds: dict[str, float]
    provenance: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Its figures, ready for JSON; without warnings and provenance."""
        measures = {
            name: round(value, 3) if math.isfinite(value) else None for name, value in asdict(self.measures).items()
        }
        return {"seed": self.seed, **measures, "quality": self.quality.as_dict(), "parts": self.part_seconds}
