"""What differs between the trainings: network, examples, loss, and what shows how well it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import nn

__all__ = ["Batch", "Stage"]

#: Examples of one step, by name; n of them along the first axis.
Batch = dict[str, torch.Tensor]


class Stage(Protocol):
    """What the loop asks of a training."""

    #: With its first weights, on the CPU.
    network: nn.Module

    def batch(self, step: int, process: int) -> Batch:
        """The examples of one step for one process; they depend on these numbers and the run's seed only.

        Args:
            step: steps taken before, from 0.
            process: index among the processes that train together.

        Returns:
            float32, on the CPU.
        """
        ...

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """What is made small.

        Args:
            network: as it is called in training: the stage's own, or one wrapped for several processes.
            batch: from ``batch``, on the network's device.
            generator: of all noise; of the CPU, so that devices agree.

        Returns:
            Loss, a single number with a gradient, and its parts for the log.
        """
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures on patients the training does not see; without such patients none.

        Args:
            network: the averaged one, in evaluation mode; called without gradients.
        """
        ...

    def picture(self, network: nn.Module, path: Path) -> None:
        """What the network does now on patients the training does not see, as a PNG; without such patients none.

        Args:
            network: the averaged one, in evaluation mode; called without gradients.
            path: of the PNG.
        """
        ...
