"""Pictures during training: middle slices in SUV; high uptake is dark."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure

from TumorGenCore.volumes.safe_write import replacing

__all__ = ["save_curves", "save_slices"]


def save_slices(
    rows: Sequence[torch.Tensor], titles: Sequence[str], path: Path, masks: Sequence[torch.Tensor | None] = ()
) -> None:
    """Saves a grid of middle axial slices, one row per tensor.

    Args:
        rows: SUV, each (n, 1, k, j, i).
        titles: one title per row.
        path: PNG file to write.
        masks: for each row, probabilities (n, 1, k, j, i) to draw as contours, or None.
    """
    columns = len(rows[0])
    figure = Figure(figsize=(1.6 * columns, 1.7 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for r, (row, title) in enumerate(zip(rows, titles, strict=True)):
        for c in range(columns):
            top = max(4.0, float(rows[0][c].max()) * 0.8)
            middle = row.shape[2] // 2
            axes[r, c].imshow(row[c, 0, middle].float().cpu().numpy(), cmap="gray_r", vmin=0, vmax=top)
            if masks and masks[r] is not None:
                mask = masks[r][c, 0, middle].float().cpu().numpy()  # type: ignore[index]
                if mask.max() > 0.5 > mask.min():
                    axes[r, c].contour(mask, [0.5], colors="red", linewidths=0.8)
            axes[r, c].set_axis_off()
        axes[r, 0].set_title(title, fontsize=7, loc="left")
    _save(figure, path)


def save_curves(log: Path, path: Path) -> None:
    """Plots every value of a run's log over the steps, each in a small panel.

    Args:
        log: ``log.jsonl`` of the run.
        path: PNG file to write.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for line in log.read_text().splitlines():
        values = json.loads(line)
        step = values.pop("step")
        for name, value in values.items():
            curves.setdefault(name, []).append((step, value))
    figure = Figure(figsize=(10, 2.2 * math.ceil(len(curves) / 3)), layout="constrained")
    axes = figure.subplots(math.ceil(len(curves) / 3), 3, squeeze=False)
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis, (name, points) in zip(axes.flat, curves.items(), strict=False):
        steps, values = zip(*points, strict=True)
        axis.plot(steps, values, linewidth=0.8)
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=7)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)
