"""Settings that a bundle's metadata carry as named numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["MetadataNumbers"]


@dataclass(frozen=True)
class MetadataNumbers:
    """Base of dataclasses whose fields are all numbers of 0 or more.

    Raises:
        ValueError: a negative or infinite number.
    """

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be 0 or more.")

    def as_dict(self) -> dict[str, float]:
        """For a bundle's metadata; the inverse of ``parse``."""
        return asdict(self)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """From a bundle's metadata; what is missing keeps its default.

        Raises:
            ValueError, TypeError: an entry of another kind.
        """
        return cls(**{name: float(value) for name, value in values.items()})
