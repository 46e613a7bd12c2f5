"""The controls of a tumor, as the vector field gets them: fill of the box, uptake, pattern inside and shape.

Each control is a number above 0, spread over the box as an input channel; 0 leaves it to the model. Training measures
the controls on the examples, where they are at most 1. It leaves them out at random, so that one network works with and
without them. Without controls for pattern and shape, all tumors of a network are alike: a network of this size makes
the usual tumor, where real ones vary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from TumorGenCore.method.intensity import NetworkScale

__all__ = ["CONTROL_CHANNELS", "LEAST_TOLD", "MOST_EDGE", "TumorControls"]

CONTROL_CHANNELS = 5
#: Lowest control value; 0 means not specified.
LEAST_TOLD = 0.01
#: Ratio of core to rim that is told as 1; nearly no tumor has more.
_MOST_CORE = 2.5
#: Largest cube root of a told fill, unless the bundle sets another one (``Tuning.most_edge``).
MOST_EDGE = 1.5


@dataclass(frozen=True)
class TumorControls:
    """Properties of one tumor; None leaves a property to the model.

    Args:
        fill: share of the box's volume that is tumor; the model can be told up to ``MOST_EDGE`` cubed.
        suv: 95th percentile of the SUV in the tumor.
        evenness: mean SUV over that percentile, see ``lesions.pattern``.
        core: mean SUV of the core over that of the rim, see ``lesions.pattern``.
        solidity: volume of the tumor over that of its convex hull.
    """

    fill: float | None = None
    suv: float | None = None
    evenness: float | None = None
    core: float | None = None
    solidity: float | None = None

    def encode(self, scale: NetworkScale, most_edge: float = MOST_EDGE) -> torch.Tensor:
        """Controls as a tensor (1, 5), where 0 leaves a control to the model.

        The first is the cube root of the fill, 0.01 to ``most_edge``. The second is the SUV on the network scale; this
        and the others are 0.01 to 1. Networks with fewer control channels know the first ones only.
        """
        values = [0.0] * CONTROL_CHANNELS
        if self.fill is not None:
            values[0] = float(np.clip(np.cbrt(self.fill), LEAST_TOLD, most_edge))
        if self.suv is not None:
            x = float(scale.to_network(torch.tensor(self.suv)))
            values[1] = float(np.clip((x - scale.low) / (1 - scale.low), LEAST_TOLD, 1))
        for channel, value in ((2, self.evenness), (3, self.core and self.core / _MOST_CORE), (4, self.solidity)):
            if value is not None:
                values[channel] = float(np.clip(value, LEAST_TOLD, 1))
        return torch.tensor([values], dtype=torch.float32)
