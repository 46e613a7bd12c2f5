"""The network scale: SUV to about [-1, 1] and back, without loss.

PET values are heavy-tailed (background 0.5, bladder 50), so the scale is an inverse hyperbolic sine: linear near zero,
logarithmic above. It does not clip values, so it is reversible for every finite SUV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["NetworkScale"]


@dataclass(frozen=True)
class NetworkScale:
    """x = low + (1 - low) asinh(SUV / knee) / asinh(top / knee).

    Args:
        knee_suv: SUV at which the scale turns from linear to logarithmic.
        top_suv: SUV that maps to 1; hotter voxels map above 1.
        low: value that SUV 0 maps to.

    Raises:
        ValueError: the knee does not lie between 0 and the top.
    """

    knee_suv: float = 1.0
    top_suv: float = 50.0
    low: float = -1.0

    def __post_init__(self) -> None:
        if not (0 < self.knee_suv < self.top_suv):
            raise ValueError(f"knee_suv {self.knee_suv} must lie between 0 and top_suv {self.top_suv}.")

    @property
    def _slope(self) -> float:
        return (1 - self.low) / math.asinh(self.top_suv / self.knee_suv)

    def to_network(self, suv: torch.Tensor) -> torch.Tensor:
        """Converts SUV of any shape to the network scale; SUV 0 becomes ``low``."""
        return self.low + torch.asinh(suv / self.knee_suv) * self._slope

    def to_suv(self, x: torch.Tensor) -> torch.Tensor:
        """Converts values on the network scale, any shape, to SUV; the inverse of ``to_network``."""
        return torch.sinh((x - self.low) / self._slope) * self.knee_suv

    def as_dict(self) -> dict[str, Any]:
        """Entry for the scale in the model bundle's metadata."""
        return {"kind": "asinh", "knee_suv": self.knee_suv, "top_suv": self.top_suv, "low": self.low}
