"""The log of a run: one JSON object per line, easy to plot and to append to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from TumorGenCore.volumes.safe_write import replacing

__all__ = ["RunLog"]

#: Largest number of lines kept in memory.
_KEPT_LINES = 20


class RunLog:
    """Values by step, one line each. A resumed run drops the lines after its checkpoint.

    Args:
        path: the log file.
        step: step of the checkpoint from which the run continues; 0 starts a new file.
        active: False writes nothing. Only one of several processes writes.
    """

    def __init__(self, path: Path, step: int, active: bool) -> None:
        self.path, self.active = path, active
        self.mean_loss = math.nan
        self._lines: list[str] = []
        if not active:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = path.read_text().splitlines() if path.exists() and step > 0 else []
        with replacing(path) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept if _step_of(line) <= step))

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Adds a line. A line with a ``loss`` updates ``mean_loss`` and may stay in memory for a while.

        Args:
            step: number of steps taken.
            values: values by name.
        """
        if "loss" in values:
            loss = values["loss"]
            self.mean_loss = loss if math.isnan(self.mean_loss) else 0.98 * self.mean_loss + 0.02 * loss
        self._lines.append(json.dumps({"step": step, **values}))
        if len(self._lines) >= _KEPT_LINES or "loss" not in values:
            self.flush()

    def flush(self) -> None:
        """Writes the lines kept in memory."""
        if self.active and self._lines:
            with self.path.open("a") as file:
                file.write("\n".join(self._lines) + "\n")
        self._lines.clear()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # The process was killed while it wrote this line.
        return math.inf
