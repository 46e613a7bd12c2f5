"""Settings that a bundle's metadata stores as named numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["MetadataNumbers"]


@dataclass(frozen=True)
class MetadataNumbers:
    """Base class of dataclasses whose fields are all numbers of 0 or more.

    Raises:
        ValueError: a number is negative or infinite.
    """

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be 0 or more.")

    def as_dict(self) -> dict[str, float]:
        """Entry for a bundle's metadata; the inverse of ``parse``."""
        return asdict(self)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Reads the numbers from a bundle's metadata; missing entries keep their defaults.

        Raises:
            ValueError, TypeError: an entry is unknown or is not a number of 0 or more.
        """
        return cls(**{name: float(value) for name, value in values.items()})
