"""The parts that differ between trainings: network, examples, loss and validation."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import nn

__all__ = ["Batch", "Stage"]

#: The examples of one step, by name; their first axis has length n.
Batch = dict[str, torch.Tensor]


class Stage(Protocol):
    """The interface that the loop needs from a training."""

    #: Network with its initial weights, on the CPU.
    network: nn.Module

    def batch(self, step: int, process: int) -> Batch:
        """Returns the examples of one step for one process; they depend only on the arguments and the run's seed.

        Args:
            step: number of steps taken before, from 0.
            process: index among the processes that train together.

        Returns:
            The batch, float32, on the CPU.
        """
        ...

    def loss(
        self, network: nn.Module, batch: Batch, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Computes the loss.

        Args:
            network: the network of the stage, or a wrapper of it for several processes.
            batch: result of ``batch``, on the network's device.
            generator: random generator of all noise, on the CPU, so that devices agree.

        Returns:
            Loss, a single number with a gradient, and its parts for the log.
        """
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measures the network on held-out patients; returns nothing if there are none.

        Args:
            network: the averaged network, in evaluation mode; called without gradients.
        """
        ...

    def picture(self, network: nn.Module, path: Path) -> None:
        """Saves a picture of the network's present results on held-out patients; none if there are none.

        Args:
            network: the averaged network, in evaluation mode; called without gradients.
            path: PNG file to write.
        """
        ...
