"""Pictures of the measures of realism: distributions, and synthetic lesions with the nearest real ones."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from TumorGenCore.evaluation.features.distributions import LOGARITHMIC
from TumorGenCore.evaluation.features.memorization import pair_in_frames
from TumorGenCore.evaluation.plots import save_plot, tidy
from TumorGenCore.evaluation.samples import LesionSample

__all__ = ["save_memorization", "save_statistics"]

_STYLES: dict[str, dict] = {
    "training": {"color": "0.6", "label": "real, trained on"},
    "held_out": {"color": "black", "label": "real, held out"},
    "tumor": {"color": "#d62728", "label": "synthetic, tumor sites"},
    "healthy": {"color": "#1f77b4", "label": "synthetic, healthy sites"},
}
_FIELD_MARKERS = "ox+s^"
_PAIRS = 4


def save_statistics(realism: dict, field: dict[str, dict], path: Path) -> None:
    """Writes a PNG with the cumulative distributions of every lesion statistic, real and synthetic.

    Args:
        realism: result of ``measure_realism``.
        field: quantiles of large data sets, shown as points; result of ``read_field_statistics``.
        path: file to write.

    Raises:
        OSError: the file cannot be written.
    """
    names = list(realism["statistics"])
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    for axis, name in zip(figure.subplots(3, 3).flat, names, strict=True):
        for kind, style in _STYLES.items():
            values = [row[name] for row in realism["lesions"][kind] if row[name] is not None]
            if values:
                axis.ecdf(values, linewidth=1.6, **style)
        for marker, (source, quantiles) in zip(_FIELD_MARKERS, field.items(), strict=False):
            if name in quantiles["quantiles"]:
                axis.plot(
                    quantiles["quantiles"][name],
                    quantiles["levels"],
                    marker,
                    color="#2ca02c",
                    markersize=4,
                    fillstyle="none",
                    label=source,
                )
        if name in LOGARITHMIC and axis.has_data():
            axis.set_xscale("log")
            left, right = axis.get_xlim()
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 3) if right > 20 * left else (1, 2, 3, 5, 7), numticks=8))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
        _tidy(axis, name)
    legends = [axis.get_legend_handles_labels() for axis in figure.axes]
    handles = {label: handle for some, labels in legends for handle, label in zip(some, labels, strict=True)}
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=3, fontsize=8)
    figure.supylabel("share of lesions up to this value", fontsize=9)
    save_plot(figure, path)


def save_memorization(found: dict, lesions: dict[str, LesionSample], path: Path) -> None:
    """Writes a PNG with the distances to the nearest training lesion, and the nearest pairs.

    Pairs are middle slices in the lesions' own frames. Writes nothing if memorization was left out.

    Args:
        found: result of ``memorization``.
        lesions: lesions by name.
        path: file to write.

    Raises:
        OSError: the file cannot be written.
    """
    if "left_out" in found:
        return
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5), squeeze=False)[0]
    axis = left.subplots()
    for kind, style in (("real", _STYLES["held_out"]), ("synthetic", _STYLES["tumor"])):
        axis.ecdf([row["distance"] for row in found[kind]], linewidth=1.6, color=style["color"], label=kind)
    axis.axvline(found["limit"], color="0.5", linestyle=":", label="5th percentile of real")
    axis.legend(fontsize=8, loc="lower right")
    _tidy(axis, "distance to the nearest training lesion")
    pairs = sorted(found["synthetic"], key=lambda row: row["distance"])[:_PAIRS]
    axes = right.subplots(2, len(pairs), squeeze=False)
    for column, row in zip(axes.T, pairs, strict=True):
        frames = pair_in_frames(lesions[row["name"]], lesions[row["nearest"]])
        for cell, frame, title in zip(column, frames, (row["name"], row["nearest"]), strict=True):
            middle = (frame.shape[0] - 1) // 2
            cell.imshow(frame[:, :, middle], cmap="gray_r", vmin=0, vmax=1.2)
            cell.set(xticks=[], yticks=[])
            cell.set_title(fill(title, 22), fontsize=7)
        column[1].set_xlabel(f"distance {row['distance']:.3f}", fontsize=7)
    right.suptitle("nearest: synthetic above, training below", fontsize=9)
    save_plot(figure, path)


def _tidy(axis: Axes, title: str) -> None:
    tidy(axis, title)
    axis.set_ylim(0, 1.02)
