"""Common parts of the plots of all reports: style, means with intervals, and saving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from TumorGenCore.volumes.safe_write import replacing

__all__ = ["NOTE", "draw_estimate", "save_plot", "tidy"]

#: Note below plots of lesions.
NOTE = "Synthetic lesions are not for diagnosis"


def draw_estimate(
    axis: Axes, row: float, value: float | None, interval: Sequence[float] | None, size: float = 4
) -> None:
    """Draws a dot at the value, and a gray bar over its interval.

    Args:
        axis: panel to draw in.
        row: vertical position of the dot.
        value: value; None draws nothing.
        interval: ends of the interval; None draws no bar.
        size: size of the dot, points.
    """
    if value is None:
        return
    if interval is not None:
        axis.plot(interval, [row, row], color="0.6", linewidth=2)
    axis.plot([value], [row], "o", color="black", markersize=size)


def tidy(axis: Axes, title: str, size: float = 9) -> None:
    """Adds a title, small ticks and a faint grid.

    Args:
        axis: the panel.
        title: title above the panel.
        size: size of the title, points.
    """
    axis.set_title(title, fontsize=size)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)


def save_plot(figure: Figure, path: Path, note: str = NOTE, size: float = 7) -> None:
    """Writes a PNG with a note below the panels.

    Args:
        figure: the plot.
        path: file to write.
        note: text of the note, shown in gray.
        size: size of the note, points.

    Raises:
        OSError: the file cannot be written; no partial file remains.
    """
    figure.supxlabel(note, fontsize=size, color="0.35")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
