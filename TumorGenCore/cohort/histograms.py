"""Pictures of many lesions: histograms of size and uptake, for a plan or a data card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.volumes.safe_write import replacing

__all__ = ["Panel", "draw_histograms"]

_MOST_BINS, _MOST_PLACES = 20, 8


@dataclass(frozen=True)
class Panel:
    """One histogram.

    Args:
        title: what it shows, with its unit.
        values: the values; none are shown as "not known".
        is_log: whether the bins have equal steps of the logarithm.
    """

    title: str
    values: NDArray[np.float64]
    is_log: bool = False


def draw_histograms(title: str, panels: Sequence[Panel], path: Path, places: Mapping[str, int] | None = None) -> None:
    """Writes a PNG with histograms of lesions, three in a row, which says that they are synthetic.

    Args:
        title: title of the picture.
        panels: the histograms.
        path: the file.
        places: number of lesions at each place, shown beside them.

    Raises:
        OSError: the file cannot be written.
    """
    count = len(panels) + (places is not None)
    rows = -(-count // 3)
    figure = Figure(figsize=(9.6, 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, 3, squeeze=False).ravel()
    if places is not None:
        _draw_places(axes[len(panels)], places)
    for axis, panel in zip(axes, panels, strict=False):
        _draw(axis, panel)
    for axis in axes[count:]:
        axis.axis("off")
    figure.suptitle(title, fontsize=11)
    figure.supxlabel(f"{STATEMENT}.", fontsize=8, color="0.35")
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary, format="png", dpi=110)


def _draw(axis: Axes, panel: Panel) -> None:
    values = panel.values
    axis.set_xlabel(panel.title, fontsize=9)
    axis.set_ylabel("lesions", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    if panel.is_log:
        values = values[values > 0]
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
    if len(values):
        edges = _edges(values, panel.is_log).tolist()
        axis.hist(values, bins=edges, color="#4878a8", edgecolor="white", linewidth=0.5)
        axis.axvline(float(np.median(values)), color="black", linewidth=1, linestyle="--")
    else:
        axis.text(0.5, 0.5, "not known", transform=axis.transAxes, ha="center", fontsize=9, color="0.35")


def _draw_places(axis: Axes, places: Mapping[str, int]) -> None:
    """Draws a bar for each place, the most frequent on top; a few places are enough."""
    shown = dict(sorted(places.items(), key=lambda each: each[1])[-_MOST_PLACES:])
    axis.barh(list(shown), list(shown.values()), height=0.5, color="#4878a8")
    axis.set_ylim(-1, max(len(shown), 2))
    axis.set_xlabel("lesions", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)


def _edges(values: NDArray[np.float64], is_log: bool) -> NDArray[np.float64]:
    """Returns edges of equal bins; more lesions get more bins."""
    count = int(np.clip(2 * np.sqrt(len(values)), 5, _MOST_BINS))
    low, high = float(values.min()), float(values.max())
    if is_log:
        return np.geomspace(low / 1.01, high * 1.01, count + 1)
    margin = 0.01 * max(abs(low), abs(high), 1e-6)
    return np.linspace(low - margin, high + margin, count + 1)
