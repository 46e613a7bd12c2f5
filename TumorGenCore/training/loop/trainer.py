"""The training loop both stages share: schedule, EMA, checkpoints, log, pictures, resume.

A step's examples and noise depend on (seed, step) only, so a run that was killed and resumed ends with the weights of a
run that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.interrupts import deferred_stops
from TumorGenCore.method.devices import computes_bfloat16, pick_device
from TumorGenCore.training.loop.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from TumorGenCore.training.loop.pictures import save_curves

__all__ = ["Batch", "LoopSettings", "Stage", "train"]

#: A stage's examples of one step, by name; n of them along the first axis.
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast.

    Args:
        steps: optimizer steps in all.
        learning_rate: peak of the cosine schedule.
        warmup_steps: linear rise.
        final_share: learning rate at the end, as a share of the peak.
        weight_decay: AdamW's.
        clip_norm: gradients are clipped to this norm.
        ema_decay: of the averaged weights, which are what is kept.
        checkpoint_minutes: time between checkpoints.
        validate_steps: steps between validations and pictures.
        seed: of weights, examples and noise.
    """

    steps: int = 3000
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    final_share: float = 0.01
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    checkpoint_minutes: float = 5.0
    validate_steps: int = 250
    seed: int = 0


class Stage(Protocol):
    """What differs between the autoencoder's and the generator's training."""

    network: nn.Module

    def batch(self, step: int, process: int) -> dict[str, torch.Tensor]:
        """The examples of one step for one process."""
        ...

    def loss(
        self, network: nn.Module, batch: dict[str, torch.Tensor], generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Loss and its parts for the log."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Figures on patients the training does not see."""
        ...

    def picture(self, network: nn.Module, path: Path) -> None:
        """What the network does now, as a PNG."""
        ...


def train(stage: Stage, settings: LoopSettings, output: Path, resume: bool, quiet: bool = False) -> nn.Module:
    """Run or resume a stage; returns the averaged (EMA) network.

    Args:
        stage: network, data and loss.
        settings: the loop.
        output: folder for ``checkpoints/``, ``log.jsonl`` and ``pictures/``.
        resume: continue from the newest checkpoint there, if any.
        quiet: no progress bar.

    Raises:
        KeyboardInterrupt: interrupted or terminated; a checkpoint was written first.
        TrainingDataError: the checkpoint is damaged or of other networks, or the training ran away.
    """
    accelerator = Accelerator(mixed_precision="bf16" if computes_bfloat16(pick_device()) else "no")
    network: nn.Module = accelerator.prepare_model(stage.network)
    bare: nn.Module = accelerator.unwrap_model(network)
    averaged = AveragedModel(bare, avg_fn=_moving_average(settings.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(
        bare.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, settings))
    step, seconds = 0, 0.0
    newest = latest_checkpoint(output / "checkpoints") if resume else None
    if newest is not None:
        state = load_checkpoint(newest)
        try:
            bare.load_state_dict(state["network"])
            averaged.load_state_dict(state["averaged"])
            optimizer.load_state_dict(state["optimizer"])
            schedule.load_state_dict(state["schedule"])
            step, seconds = int(state["step"]), float(state["seconds"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingDataError(
                f"The checkpoint {newest.name} is not of this run's networks; resume with the configuration it was "
                "started with, or give another output folder."
            ) from error
    log = _Log(output / "log.jsonl", step, accelerator.is_main_process)

    def checkpoint() -> None:
        if accelerator.is_main_process:
            save_checkpoint(
                output / "checkpoints",
                step,
                {
                    "network": bare.state_dict(),
                    "averaged": averaged.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "schedule": schedule.state_dict(),
                    "step": step,
                    "seconds": seconds,
                },
            )

    started = saved = time.monotonic()
    before = seconds
    bar = tqdm(total=settings.steps, initial=step, disable=quiet or not accelerator.is_main_process, unit="step")
    # The next batch is made while the network works on this one.
    with deferred_stops() as stop, bar, ThreadPoolExecutor(1) as maker:
        upcoming = maker.submit(stage.batch, step, accelerator.process_index)
        while step < settings.steps:
            network.train()
            batch = {k: v.to(accelerator.device) for k, v in upcoming.result().items()}
            upcoming = maker.submit(stage.batch, step + 1, accelerator.process_index)
            generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step * 64 + accelerator.process_index)
            with accelerator.autocast():
                loss, parts = stage.loss(network, batch, generator)
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(bare.parameters(), settings.clip_norm)
            if norm is not None and not torch.isfinite(norm):
                raise TrainingDataError(
                    f"The gradient of step {step + 1} is not finite, and the step was not taken. Go on from the last "
                    "checkpoint with --resume and a lower learning_rate."
                )
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            averaged.update_parameters(bare)
            step += 1
            seconds = before + time.monotonic() - started
            log.add(
                step, {"loss": float(loss.detach()), **parts, "lr": schedule.get_last_lr()[0], "minutes": seconds / 60}
            )
            bar.update()
            bar.set_postfix(loss=f"{log.mean_loss:.4f}")
            if step % settings.validate_steps == 0 or step == settings.steps:
                _report(stage, averaged.module, output, step, log, accelerator.is_main_process)
            if stop.is_made or step == settings.steps or time.monotonic() - saved > settings.checkpoint_minutes * 60:
                log.flush()  # First, so that no line up to a checkpoint is ever missing.
                checkpoint()
                saved = time.monotonic()
            if stop.is_made:
                raise KeyboardInterrupt(f"stopped at step {step}; continue with --resume")
    result: nn.Module = averaged.module
    return result.eval()


def _moving_average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """EMA that forgets the random start: its memory grows with the steps taken, up to ``decay``."""

    def update(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        return torch.lerp(new, kept, min(decay, (1 + int(count)) / (10 + int(count))))

    return update


def _rate(step: int, settings: LoopSettings) -> float:
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return settings.final_share + (1 - settings.final_share) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _report(stage: Stage, network: nn.Module, output: Path, step: int, log: _Log, main: bool) -> None:
    if not main:
        return
    network.eval()
    with torch.inference_mode():
        log.add(step, {f"validation_{k}": v for k, v in stage.validate(network).items()})
        (output / "pictures").mkdir(parents=True, exist_ok=True)
        stage.picture(network, output / "pictures" / f"step-{step:07d}.png")
    log.flush()
    save_curves(log.path, output / "curves.png")


class _Log:
    """One JSON object a line: easy to plot, easy to append to. On resume, lines past the checkpoint are dropped."""

    def __init__(self, path: Path, step: int, active: bool) -> None:
        self.path, self.active = path, active
        self.mean_loss = math.nan
        self._lines: list[str] = []
        if not active:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = path.read_text().splitlines() if path.exists() and step > 0 else []
        path.write_text("".join(f"{line}\n" for line in kept if _step_of(line) <= step))

    def add(self, step: int, values: dict[str, Any]) -> None:
        if "loss" in values:
            loss = values["loss"]
            self.mean_loss = loss if math.isnan(self.mean_loss) else 0.98 * self.mean_loss + 0.02 * loss
        self._lines.append(json.dumps({"step": step, **values}))
        if len(self._lines) >= 20 or "loss" not in values:
            self.flush()

    def flush(self) -> None:
        if self.active and self._lines:
            with self.path.open("a") as file:
                file.write("\n".join(self._lines) + "\n")
        self._lines.clear()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # Half a line, where a kill came.
        return math.inf
