"""Checkpoints that stay complete if the process is killed: written to a temporary folder, then moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from TumorGenCore.errors import TrainingDataError

__all__ = ["latest_checkpoint", "load_checkpoint", "refuse_to_mix", "save_checkpoint"]

_STATE = "state.pt"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Writes a checkpoint and deletes the oldest ones.

    Args:
        folder: folder of the run's checkpoints; created if it is missing.
        step: number of steps taken, used in the checkpoint's name.
        state: tensors and plain values.
        keep: number of checkpoints to keep.

    Returns:
        The checkpoint's folder, ``folder/step-NNNNNNN``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:07d}"
    part = folder / f".part-{step:07d}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    torch.save(state, part / _STATE)
    (part / "step.json").write_text(json.dumps({"step": step}))
    shutil.rmtree(target, ignore_errors=True)
    part.replace(target)
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """Returns the newest complete checkpoint in a folder of checkpoints; None if there is none."""
    found = sorted(folder.glob("step-*")) if folder.exists() else []
    return found[-1] if found else None


def refuse_to_mix(output: Path, resume: bool) -> None:
    """Refuses a folder with checkpoints of another run; a new run could mix them with its own.

    Raises:
        TrainingDataError: ``output`` has checkpoints, and the run is not resumed.
    """
    newest = latest_checkpoint(output / "checkpoints")
    if newest is not None and not resume:
        raise TrainingDataError(
            f"{output} contains the checkpoint {newest.name} of an earlier run; continue it with --resume, "
            "or give another output folder."
        )


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads the state of a checkpoint. Reads only tensors and plain values, never code.

    Raises:
        TrainingDataError: the checkpoint is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path / _STATE, map_location="cpu", weights_only=True)
    except Exception as error:
        raise TrainingDataError(
            f"The checkpoint {path.name} is damaged ({error}); delete it to use the previous one."
        ) from error
    return state
