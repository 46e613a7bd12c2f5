"""The controls of a tumor, as the vector field gets them: the fill of the box and the uptake.

Each control is a number above 0, spread over the box as an input channel; 0 leaves it to the model. Training measures
the controls on the examples, where they are at most 1. It leaves them out at random, so that one network works with and
without them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from TumorGenCore.method.intensity import NetworkScale

__all__ = ["CONTROL_CHANNELS", "LEAST_TOLD", "MOST_EDGE", "TumorControls", "measure_controls"]

CONTROL_CHANNELS = 2
#: Lowest control value; 0 means not specified.
LEAST_TOLD = 0.01
#: Largest cube root of a told fill, unless the bundle sets another one (``Tuning.most_edge``).
MOST_EDGE = 1.5


@dataclass(frozen=True)
class TumorControls:
    """Properties of one tumor; None leaves a property to the model.

    Args:
        fill: share of the box's volume that is tumor; the model can be told up to ``MOST_EDGE`` cubed.
        suv: 95th percentile of the SUV in the tumor.
    """

    fill: float | None = None
    suv: float | None = None

    def encode(self, scale: NetworkScale, most_edge: float = MOST_EDGE) -> torch.Tensor:
        """Controls as a tensor (1, 2), where 0 leaves a control to the model.

        The first is the cube root of the fill, 0.01 to ``most_edge``. The second is the SUV on the network scale, 0.01
        to 1.
        """
        values = [0.0, 0.0]
        if self.fill is not None:
            values[0] = float(np.clip(np.cbrt(self.fill), LEAST_TOLD, most_edge))
        if self.suv is not None:
            x = float(scale.to_network(torch.tensor(self.suv)))
            values[1] = float(np.clip((x - scale.low) / (1 - scale.low), LEAST_TOLD, 1))
        return torch.tensor([values], dtype=torch.float32)


def measure_controls(suv: NDArray, mask: NDArray, coverage: NDArray) -> TumorControls:
    """Measures the properties of a tumor in a working patch.

    Args:
        suv: (k, j, i).
        mask: (k, j, i), above 0 in the tumor.
        coverage: share of each voxel inside the box, (k, j, i).
    """
    inside = mask > 0
    if not inside.any():
        return TumorControls()
    return TumorControls(float(inside.sum() / max(coverage.sum(), 1)), float(np.percentile(suv[inside], 95)))
