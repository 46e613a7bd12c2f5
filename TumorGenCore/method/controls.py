"""What may be asked of a tumor, as the vector field hears it: how much of the box it fills, how hot it is.

Each is a number above 0, spread over the box as an input channel; 0 says that it is left to the model. In training they
are measured on the examples, where they are 1 at most, and left out at random, so that one network answers with and
without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from TumorGenCore.method.intensity import NetworkScale

__all__ = ["CONTROL_CHANNELS", "FILL_TRIES", "TumorControls", "measure_controls", "search_fill"]

Tumor = TypeVar("Tumor")

CONTROL_CHANNELS = 2
#: The smallest number that is no silence.
LEAST = 0.01
#: The largest cube root of a fill that the model is told. More than training's 1: a model that makes less than it is
#: asked for goes on growing the tumor beyond.
MOST_EDGE = 1.5
#: Tumors grown at most until one fills the box as far as asked.
FILL_TRIES = 7


@dataclass(frozen=True)
class TumorControls:
    """One tumor's properties; None leaves one to the model.

    Args:
        fill: share of the box's volume that is tumor; to be told, up to ``MOST_EDGE`` cubed.
        suv: 95th percentile of the SUV in the tumor.
    """

    fill: float | None = None
    suv: float | None = None

    def encode(self, scale: NetworkScale) -> torch.Tensor:
        """(1, 2), each 0 (left to the model) or more: the cube root of the fill, 0.01 to ``MOST_EDGE``; the SUV on the
        network scale, 0.01 to 1."""
        values = [0.0, 0.0]
        if self.fill is not None:
            values[0] = float(np.clip(np.cbrt(self.fill), LEAST, MOST_EDGE))
        if self.suv is not None:
            x = float(scale.to_network(torch.tensor(self.suv)))
            values[1] = float(np.clip((x - scale.low) / (1 - scale.low), LEAST, 1))
        return torch.tensor([values], dtype=torch.float32)


def measure_controls(suv: NDArray, mask: NDArray, coverage: NDArray) -> TumorControls:
    """The properties of a tumor in a working patch.

    Args:
        suv: (k, j, i).
        mask: (k, j, i), above 0 in the tumor.
        coverage: share of each voxel inside the box, (k, j, i).
    """
    inside = mask > 0
    if not inside.any():
        return TumorControls()
    return TumorControls(float(inside.sum() / max(coverage.sum(), 1)), float(np.percentile(suv[inside], 95)))


def search_fill(
    grow: Callable[[float], Tumor], reached: Callable[[Tumor], float], fill: float, tolerance: float
) -> Tumor:
    """The tumor that fills the box most nearly as asked, of ``FILL_TRIES`` at most.

    With one and the same noise the tumor grows steadily with what the model is asked for, so each try corrects it by
    what the last one missed (a secant on the cube roots: edge lengths, not volumes).

    Args:
        grow: the tumor for a fill that the model is asked for.
        reached: a tumor's own fill.
        fill: what is wanted, 0 to 1.
        tolerance: relative; good enough.
    """
    wanted = asked = float(np.cbrt(fill))
    tries: list[tuple[float, float, Tumor]] = []
    for _ in range(FILL_TRIES):
        tumor = grow(asked**3)
        tries.append((asked, float(np.cbrt(reached(tumor))), tumor))
        if abs(reached(tumor) / fill - 1) <= tolerance:
            break
        slope = 1.0
        if len(tries) > 1 and tries[-1][0] != tries[-2][0]:
            slope = float(np.clip((tries[-1][1] - tries[-2][1]) / (tries[-1][0] - tries[-2][0]), 0.3, 3.0))
        asked = float(np.clip(asked + (wanted - tries[-1][1]) / slope, LEAST, MOST_EDGE))
        if asked == tries[-1][0]:  # At the end of what can be asked: the same tumor would grow.
            break
    return min(tries, key=lambda tried: abs(tried[1] - wanted))[2]
