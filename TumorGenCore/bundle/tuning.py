"""Numbers that are tuned to one model bundle, with their defaults; a bundle stores its own in its metadata.

A number belongs here if another model may need another value. Numbers for all models (a scanner's resolution, a
tolerance) stay with the code that uses them.
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
    """Numbers that are tuned to a bundle.

    Args:
        suv_max_over_p95, suv_mean_over_p95, suv_peak_over_p95: SUVmax, SUVmean and SUVpeak of a tumor on the scan's
            voxels, divided by the told 95th percentile. With the defaults, tumors of the shipped bundle need almost no
            scaling at the healthy and phantom sites of the evaluation. SUVpeak rises with the volume, from 0.5 times at
            1 ml to 0.8 times at 40 ml; its default is the median of 27 tumors at the sites of the phantom, in boxes of
            28, 40 and 60 mm.
        most_edge: largest cube root of a told fill. It is above 1, the maximum in training, because a model that makes
            too small a tumor makes it larger when it is told more than 1.
        speck_share: a tumor is a speck if it fills less than this share of the drawn fill. Some noise grows almost no
            tumor; a speck is faint, and its mask does not fit.
        speck_tries: factors for the drawn fill. The model is told one after the other until the tumor is no speck.
        fitted_shares: thresholds of M' as a share of the rise from the surrounding tissue to the hottest uptake. The
            first holds for tumors up to the first of ``fitted_volumes_ml``, the second from the second volume on; in
            between the threshold is linear in the logarithm of the volume. If the tissue has a tenth of the tumor's
            uptake, the first equals the threshold of training (``METABOLIC_SHARE``); in hotter tissue it is higher. The
            second was chosen on training patients: it fits what a segmenter finds of large tumors.
        fitted_volumes_ml: see ``fitted_shares``.
        field_bounds: usual volume, SUVmax and SUVmean over SUVmax of lesions.

    Raises:
        ValueError: a number is not positive, or bounds do not rise.
    """

    suv_max_over_p95: float = 0.92
    suv_mean_over_p95: float = 0.53
    suv_peak_over_p95: float = 0.66
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
        """Returns the 95th percentile to tell the model for a wanted SUVmax, SUVmean or SUVpeak.

        Args:
            measure: ``max``, ``mean`` or ``peak``.
            suv: the wanted SUV.
        """
        over = {"max": self.suv_max_over_p95, "mean": self.suv_mean_over_p95, "peak": self.suv_peak_over_p95}
        return suv / over[measure]

    def as_dict(self) -> dict[str, Any]:
        """Entry for a bundle's metadata; the inverse of ``parse``."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {**values, "field_bounds": {name: list(bounds) for name, bounds in self.field_bounds.items()}}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Reads the numbers from a bundle's metadata; missing entries keep their defaults.

        Raises:
            ValueError, TypeError: an entry is unknown or has the wrong type.
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
