"""Numbers that were tuned to one model bundle; it carries them in its metadata, and here are the defaults.

A number belongs here where another model would want another value. What holds for every model (a scanner's resolution,
a tolerance) stays beside the code that uses it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from TumorGenCore.lesions.quality import FIELD_BOUNDS, Bounds

__all__ = ["Tuning"]


@dataclass(frozen=True)
class Tuning:
    """What is tuned to a bundle.

    Args:
        suv_max_over_p95, suv_mean_over_p95: SUVmax and SUVmean of a tumor on the scan's own voxels over the 95th
            percentile that the model is told. With the defaults the shipped bundle's tumors need about no scaling at
            the evaluation's healthy and phantom sites.
        most_edge: the largest cube root of a fill that the model is told. More than training's 1: a model that makes
            less than it is asked for goes on growing the tumor beyond.
        speck_share: a tumor is a speck that fills less than this share of what was drawn: now and then next to nothing
            grows of some noise, and what grows is faint and its mask off.
        speck_tries: the model is then told so many times as much, one after the other, until it is none.
        fitted_shares: threshold of M', as a share of the rise of its hottest uptake over the tissue around: of a tumor
            as small as the first of ``fitted_volumes_ml`` or smaller, and as large as the second or larger; even in the
            volume's logarithm between them. Where the tissue takes up a tenth of what the tumor does, the first is
            training's threshold (``METABOLIC_SHARE``); in hotter tissue it is more. The second was chosen on training
            patients, by what a segmenter finds of large tumors there.
        fitted_volumes_ml: see ``fitted_shares``.
        field_bounds: what volume, SUVmax and SUVmean over SUVmax of lesions usually are.

    Raises:
        ValueError: a number that is not positive, or bounds that do not rise.
    """

    suv_max_over_p95: float = 0.92
    suv_mean_over_p95: float = 0.53
    most_edge: float = 1.5
    speck_share: float = 0.1
    speck_tries: tuple[float, ...] = (3.0, 9.0)
    fitted_shares: tuple[float, float] = (0.35, 0.45)
    fitted_volumes_ml: tuple[float, float] = (50.0, 600.0)
    field_bounds: dict[str, Bounds] = field(default_factory=lambda: dict(FIELD_BOUNDS))

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            numbers = [n for bounds in value.values() for n in bounds] if isinstance(value, dict) else value
            for number in numbers if isinstance(numbers, list) else [numbers]:
                if not (math.isfinite(number) and number > 0):
                    raise ValueError(f"{name} is {value}; its numbers must be positive.")
        if len(self.fitted_shares) != 2 or len(self.fitted_volumes_ml) != 2:
            raise ValueError("fitted_shares and fitted_volumes_ml must be two numbers each.")
        if self.fitted_volumes_ml[0] >= self.fitted_volumes_ml[1]:
            raise ValueError(f"fitted_volumes_ml is {list(self.fitted_volumes_ml)}; the second must be larger.")
        if set(self.field_bounds) != set(FIELD_BOUNDS):
            raise ValueError(f"field_bounds needs the entries {', '.join(FIELD_BOUNDS)}.")
        if any(len(b) != 4 or sorted(b) != list(b) for b in self.field_bounds.values()):
            raise ValueError("field_bounds must be four rising numbers each.")

    def p95_suv(self, measure: str, suv: float) -> float:
        """The 95th percentile that a tumor of a SUVmax (``max``) or SUVmean (``mean``) usually has: what the model is
        told.
        """
        return suv / {"max": self.suv_max_over_p95, "mean": self.suv_mean_over_p95}[measure]

    def as_dict(self) -> dict[str, Any]:
        """For a bundle's metadata; the inverse of ``parse``."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {**values, "field_bounds": {name: list(bounds) for name, bounds in self.field_bounds.items()}}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """From a bundle's metadata; what is missing keeps its default.

        Raises:
            ValueError, TypeError: an unknown entry, or one of another kind.
        """
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"tuning has an unknown entry {sorted(unknown)[0]!r}")
        read: dict[str, Any] = {}
        for name, value in values.items():
            if name == "field_bounds":
                read[name] = {key: tuple(float(n) for n in bounds) for key, bounds in value.items()}
            else:
                read[name] = tuple(float(n) for n in value) if isinstance(value, list) else float(value)
        return cls(**read)
