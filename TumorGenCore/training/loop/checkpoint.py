"""Checkpoints that stay complete if the process is killed: written to a temporary folder, then moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from TumorGenCore.bundle.disk_errors import named_disk_errors
from TumorGenCore.errors import TrainingDataError

__all__ = ["latest_checkpoint", "load_checkpoint", "refuse_to_mix", "save_checkpoint"]

_STATE = "state.pt"
#: Start of the name of a checkpoint that is being written.
_PART = ".part-"


def save_checkpoint(folder: Path, step: int, state: dict[str, Any], keep: int = 2) -> Path:
    """Writes a checkpoint and deletes the oldest ones.

    Args:
        folder: folder of the run's checkpoints; created if it is missing.
        step: number of steps taken, used in the checkpoint's name.
        state: tensors and plain values.
        keep: number of checkpoints to keep.

    Returns:
        The checkpoint's folder, ``folder/step-NNNNNNN``.

    Raises:
        OSError: the checkpoint cannot be written; those before it stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"step-{step:07d}"
    part = folder / f"{_PART}{step:07d}"
    for left in folder.glob(f"{_PART}*"):  # by a killed process
        shutil.rmtree(left, ignore_errors=True)
    try:
        part.mkdir()
        with named_disk_errors(target):
            torch.save(state, part / _STATE)
        (part / "step.json").write_text(json.dumps({"step": step}))
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
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
