"""Requests that are drawn for each tumor: fixed properties, and ranges for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.request import SIZES, UPTAKES, TumorRequest

__all__ = ["RANGED", "RequestLaw"]

#: Properties that may have a range. A ratio to a reference region may not: its SUV differs from scan to scan.
RANGED = tuple(name for name in (*UPTAKES, *SIZES) if name != "to_reference")


@dataclass(frozen=True)
class RequestLaw:
    """Draws a request for each tumor.

    Args:
        fixed: properties that all tumors have.
        ranges: lowest and highest value by the name of a property; each value between them is as likely.

    Raises:
        InvalidRequestError: a range is empty, or has a name or a value that a request cannot have.
    """

    fixed: TumorRequest = field(default_factory=TumorRequest)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, ends in self.ranges.items():
            if name not in RANGED:
                raise InvalidRequestError(f"There is no range for {name!r}; use one of: {', '.join(RANGED)}.")
            if getattr(self.fixed, name) is not None:
                raise InvalidRequestError(f"{name} has a value and a range; give one of them.")
            if not (isinstance(ends, tuple | list) and len(ends) == 2 and ends[0] <= ends[1]):
                raise InvalidRequestError(f"The range of {name} is {ends}; give the lowest and the highest value.")
        for end in (0, 1):
            self._with({name: ends[end] for name, ends in self.ranges.items()})  # checks the values

    def draw(self, rng: np.random.Generator) -> TumorRequest:
        """Draws the request of one tumor."""
        return self._with({name: float(rng.uniform(*ends)) for name, ends in self.ranges.items()})

    def _with(self, values: Mapping[str, Any]) -> TumorRequest:
        return replace(self.fixed, **values)
