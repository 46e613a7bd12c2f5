"""The log of a run: one JSON object a line, easy to plot, easy to append to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

__all__ = ["RunLog"]

#: Lines kept in memory at most.
_KEPT_LINES = 20


class RunLog:
    """Lines of figures by step. On resume, lines past the checkpoint are dropped.

    Args:
        path: the file.
        step: of the checkpoint that the run goes on from; 0 begins a new file.
        active: False writes nothing: of several processes one writes.
    """

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
        """Add a line; those with a ``loss`` may wait in memory for the next, and move ``mean_loss``.

        Args:
            step: steps taken.
            values: figures by name.
        """
        if "loss" in values:
            loss = values["loss"]
            self.mean_loss = loss if math.isnan(self.mean_loss) else 0.98 * self.mean_loss + 0.02 * loss
        self._lines.append(json.dumps({"step": step, **values}))
        if len(self._lines) >= _KEPT_LINES or "loss" not in values:
            self.flush()

    def flush(self) -> None:
        """Write the lines that wait."""
        if self.active and self._lines:
            with self.path.open("a") as file:
                file.write("\n".join(self._lines) + "\n")
        self._lines.clear()


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # Half a line, where a kill came.
        return math.inf
