"""The folder of a study, which consists of many runs: it can be resumed and never mixes two studies."""

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
    """Starts a run in a folder, or continues the run in it.

    Args:
        folder: folder of the run; created if it is missing.
        run: settings of the run, a dataclass; also written to ``config``.
        config: file name for the settings.
        resume: continue the run in the folder, if there is one.
        made_from: hashes of the run's inputs, by name.

    Raises:
        TrainingDataError: the folder contains a run and ``resume`` is false, or that run has other settings or inputs.
    """
    now = json.loads(json.dumps({"settings": dataclasses.asdict(run), **made_from}))
    begun = folder / _BEGUN
    if begun.exists():
        if not resume:
            raise TrainingDataError(
                f"{folder} contains an earlier run; continue it with --resume, or give another output folder."
            )
        then = json.loads(begun.read_text())
        other = sorted(key for key in {*now, *then} if now.get(key) != then.get(key))
        if other:
            raise TrainingDataError(
                f"The run in {folder} was started with other {' and '.join(other)}; resume it with the same, or give "
                "another output folder."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_config(run, folder / config)
    with replacing(begun) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n")
