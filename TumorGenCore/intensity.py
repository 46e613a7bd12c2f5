"""The network scale: SUV to about [-1, 1] and back, without loss.

PET is heavy-tailed (background 0.5, bladder 50), so the scale is an inverse hyperbolic sine: linear near zero,
logarithmic above. It is never clipped, hence reversible for every finite SUV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["NetworkScale"]


@dataclass(frozen=True)
class NetworkScale:
    """x = 2 asinh(SUV / knee) / asinh(top / knee) - 1.

    Args:
        knee_suv: SUV where the scale turns from linear to logarithmic.
        top_suv: SUV that maps to 1; hotter voxels map above 1.
    """

    knee_suv: float = 1.0
    top_suv: float = 50.0

    def __post_init__(self) -> None:
        if not (0 < self.knee_suv < self.top_suv):
            raise ValueError(f"knee_suv {self.knee_suv} must lie between 0 and top_suv {self.top_suv}.")

    @property
    def _half_range(self) -> float:
        return float(torch.asinh(torch.tensor(self.top_suv / self.knee_suv, dtype=torch.float64))) / 2

    def to_network(self, suv: torch.Tensor) -> torch.Tensor:
        """SUV of any shape to network scale; SUV 0 is -1."""
        return torch.asinh(suv / self.knee_suv) / self._half_range - 1

    def to_suv(self, x: torch.Tensor) -> torch.Tensor:
        """Network scale of any shape to SUV; the inverse of ``to_network``."""
        return torch.sinh((x + 1) * self._half_range) * self.knee_suv

    def as_dict(self) -> dict[str, Any]:
        """For the model bundle's metadata."""
        return {"kind": "asinh", "knee_suv": self.knee_suv, "top_suv": self.top_suv}
