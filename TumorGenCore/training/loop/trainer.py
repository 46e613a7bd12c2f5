"""The training loop that all stages share: schedule, EMA, checkpoints, log, pictures, resume.

The examples and the noise of a step depend on (seed, step) only. So a run that was killed and resumed ends with the
same weights as an uninterrupted run.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from tqdm.auto import tqdm

from TumorGenCore.interrupts import deferred_stops
from TumorGenCore.method.devices import computes_bfloat16, pick_device
from TumorGenCore.training.loop.log import RunLog
from TumorGenCore.training.loop.pictures import save_curves
from TumorGenCore.training.loop.progress import Progress
from TumorGenCore.training.loop.settings import LoopSettings
from TumorGenCore.training.loop.stage import Batch, Stage
from TumorGenCore.volumes.safe_write import temporary_files

__all__ = ["train"]


def train(stage: Stage, settings: LoopSettings, output: Path, resume: bool, quiet: bool = False) -> nn.Module:
    """Trains or resumes a stage.

    Args:
        stage: network, data and loss.
        settings: settings of the loop.
        output: folder for ``checkpoints/``, ``log.jsonl``, ``curves.png`` and ``pictures/``.
        resume: continue from the newest checkpoint in ``output``, if there is one.
        quiet: show no progress bar.

    Returns:
        The averaged (EMA) network, in evaluation mode.

    Raises:
        KeyboardInterrupt: the user or the system stopped the training; a checkpoint was written first.
        TrainingDataError: the checkpoint is damaged or belongs to other networks, or a gradient is not finite.
    """
    accelerator = Accelerator(mixed_precision="bf16" if computes_bfloat16(pick_device()) else "no")
    progress = Progress(stage.network, settings, accelerator)
    if resume:
        progress.resume(output / "checkpoints")
        if accelerator.is_main_process:
            _clear_leftovers(output)
    log = RunLog(output / "log.jsonl", progress.step, accelerator.is_main_process)
    started = saved = time.monotonic()
    before = progress.seconds
    hidden = quiet or not accelerator.is_main_process
    bar = tqdm(total=settings.steps, initial=progress.step, disable=hidden, unit="step")
    # A thread prepares the next batch while the network trains on this one.
    with deferred_stops() as stop, bar, ThreadPoolExecutor(1) as maker:
        upcoming = maker.submit(stage.batch, progress.step, accelerator.process_index)
        while progress.step < settings.steps:
            batch = upcoming.result()
            upcoming = maker.submit(stage.batch, progress.step + 1, accelerator.process_index)
            figures = _step(stage, progress, batch)
            progress.seconds = before + time.monotonic() - started
            log.add(progress.step, {**figures, "lr": progress.learning_rate, "minutes": progress.seconds / 60})
            bar.update()
            bar.set_postfix(loss=f"{log.mean_loss:.4f}")
            is_last = progress.step == settings.steps
            if progress.step % settings.validate_steps == 0 or is_last:
                _report(stage, progress, output, log)
            if stop.is_made or is_last or time.monotonic() - saved > settings.checkpoint_minutes * 60:
                log.flush()  # First, so that no line up to a checkpoint is ever missing.
                progress.save(output / "checkpoints")
                saved = time.monotonic()
            if stop.is_made:
                raise KeyboardInterrupt(f"stopped at step {progress.step}; continue with --resume")
    return progress.average.eval()


def _clear_leftovers(output: Path) -> None:
    """Removes temporary files that a killed run left in its folders."""
    for folder in (output, output / "pictures"):
        for path in temporary_files(folder) if folder.is_dir() else ():
            path.unlink(missing_ok=True)


def _step(stage: Stage, progress: Progress, batch: Batch) -> dict[str, float]:
    """Takes a step and returns the loss and its parts."""
    accelerator = progress.accelerator
    progress.network.train()
    batch = {name: tensor.to(accelerator.device) for name, tensor in batch.items()}
    seed = progress.settings.seed * 1_000_003 + progress.step * 64 + accelerator.process_index
    with accelerator.autocast():
        loss, parts = stage.loss(progress.network, batch, torch.Generator().manual_seed(seed))
    progress.take_step(loss)
    return {"loss": float(loss.detach()), **parts}


def _report(stage: Stage, progress: Progress, output: Path, log: RunLog) -> None:
    """Validates and saves a picture; only the main process does so."""
    if not progress.accelerator.is_main_process:
        return
    network = progress.average.eval()
    with torch.inference_mode():
        log.add(progress.step, {f"validation_{k}": v for k, v in stage.validate(network).items()})
        (output / "pictures").mkdir(parents=True, exist_ok=True)
        stage.picture(network, output / "pictures" / f"step-{progress.step:07d}.png")
    log.flush()
    save_curves(log.path, output / "curves.png")
