"""The folder of a run that consists of many: begun once, gone on with, never mixed with another's."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.config import write_config
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["open_run_folder"]

_BEGUN = "begun.json"


def open_run_folder(folder: Path, run: Any, config: str, resume: bool, **made_from: str) -> None:
    """Begin a run in a folder, or go on with the one there.

    Args:
        folder: made where it is not there.
        run: the run's settings, a dataclass; also written as ``config``.
        config: file name.
        resume: go on with what the folder holds, if anything.
        made_from: hashes of what the run uses, by name.

    Raises:
        TrainingDataError: the folder holds a run and ``resume`` is not set, or one of other settings or parts.
    """
    now = json.loads(json.dumps({"settings": dataclasses.asdict(run), **made_from}))
    begun = folder / _BEGUN
    if begun.exists():
        if not resume:
            raise TrainingDataError(
                f"{folder} holds an earlier run; continue it with --resume, or give another output folder."
            )
        then = json.loads(begun.read_text())
        other = sorted(key for key in {*now, *then} if now.get(key) != then.get(key))
        if other:
            raise TrainingDataError(
                f"The run in {folder} was begun with other {' and '.join(other)}; resume it with the same, or give "
                "another output folder."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_config(run, folder / config)
    with replacing(begun) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n")
