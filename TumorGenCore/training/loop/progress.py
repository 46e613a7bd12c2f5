"""The state of a training that a checkpoint saves: weights, averaged weights, optimizer, steps and time."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.loop.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from TumorGenCore.training.loop.settings import LoopSettings

__all__ = ["Progress"]


class Progress:
    """The state of a training.

    Args:
        network: network to train; moved to the accelerator's device.
        settings: settings of the loop.
        accelerator: device, precision and processes.
    """

    def __init__(self, network: nn.Module, settings: LoopSettings, accelerator: Accelerator) -> None:
        self.settings, self.accelerator = settings, accelerator
        #: The network to call in a step, which joins all processes; ``bare`` is the plain network inside it.
        self.network: nn.Module = accelerator.prepare_model(network)
        self.bare: nn.Module = accelerator.unwrap_model(self.network)
        self.averaged = AveragedModel(self.bare, avg_fn=_moving_average(settings.ema_decay), use_buffers=True)
        self.optimizer = torch.optim.AdamW(
            self.bare.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: _rate(step, settings))
        #: Number of steps taken, and their duration in seconds.
        self.step, self.seconds = 0, 0.0

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    @property
    def average(self) -> nn.Module:
        """The averaged network, the result of a training."""
        averaged: nn.Module = self.averaged.module
        return averaged

    def take_step(self, loss: torch.Tensor) -> None:
        """Takes one optimizer step that lowers the loss.

        Raises:
            TrainingDataError: the gradient is not finite. Then the step is not taken.
        """
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.bare.parameters(), self.settings.clip_norm)
        if norm is not None and not torch.isfinite(norm):
            raise TrainingDataError(
                f"The gradient of step {self.step + 1} is not finite, so the training stopped. Continue from the last "
                "checkpoint with --resume and a lower learning_rate."
            )
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.averaged.update_parameters(self.bare)
        self.step += 1

    def save(self, folder: Path) -> None:
        """Writes a checkpoint into ``folder``; only the main process does so."""
        if not self.accelerator.is_main_process:
            return
        state = {
            "network": self.bare.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        save_checkpoint(folder, self.step, state)

    def resume(self, folder: Path) -> None:
        """Loads the newest checkpoint in ``folder``; changes nothing if there is none.

        Raises:
            TrainingDataError: the checkpoint is damaged or belongs to other networks.
        """
        newest = latest_checkpoint(folder)
        if newest is None:
            return
        state = load_checkpoint(newest)
        try:
            self.bare.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.step, self.seconds = int(state["step"]), float(state["seconds"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingDataError(
                f"The checkpoint {newest.name} does not fit this run's networks; resume with the configuration of the "
                "first start, or give another output folder."
            ) from error


def _moving_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """Returns an EMA that forgets the random start: its memory grows with the number of steps, up to ``decay``."""

    def update(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        return torch.lerp(new, kept, min(decay, (1 + int(count)) / (10 + int(count))))

    return update


def _rate(step: int, settings: LoopSettings) -> float:
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.final_share + (1 - settings.final_share) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
