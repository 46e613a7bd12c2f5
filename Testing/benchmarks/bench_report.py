"""Tables (Markdown) and plot (PNG) of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from measuring import Row
from targets import Target

#: Start of the names of sections that the plot leaves out: the parts would hide the whole.
NOT_PLOTTED = "parts"


def markdown(head: Sequence[str], rows: Sequence[Row], held_to: Sequence[Target]) -> str:
    """Returns the report: facts about the machine, targets, one table per section."""
    lines = ["# Benchmark of an insertion", "", *(f"- {line}" for line in head), "", *_target_lines(held_to)]
    head_of_table = ["| what | ms | spread | GFLOP | of best |", "| --- | ---: | ---: | ---: | ---: |"]
    for section in dict.fromkeys(row.section for row in rows):
        lines += ["", f"## {section}", "", *head_of_table]
        for row in rows:
            if row.section == section:
                gflop = "" if row.gflop is None else f"{row.gflop:.1f}"
                share = "" if row.share is None else f"{100 * row.share:.0f} %"
                digits = 0 if row.seconds >= 0.1 else 1
                median, spread = (f"{1000 * seconds:.{digits}f}" for seconds in (row.seconds, row.spread))
                lines.append(f"| {row.name} | {median} | {spread} | {gflop} | {share} |")
    return "\n".join([*lines, ""])


def _target_lines(held_to: Sequence[Target]) -> list[str]:
    lines = ["## Targets", "", "| what | measured | must | aim | reached |", "| --- | ---: | ---: | ---: | --- |"]
    for target in held_to:
        sign = "<=" if target.at_most else ">="
        value, must, aim = (target.shown.format(number) for number in (target.value, target.must, target.aim))
        lines.append(f"| {target.what} | {value} | {sign} {must} | {aim} | {target.verdict} |")
    return lines


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draws medians as bars on a logarithmic axis, one color per section; the thin line is the spread."""
    shown = [row for row in rows if not row.section.startswith(NOT_PLOTTED)]
    sections = list(dict.fromkeys(row.section for row in shown))
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.27 * len(shown)), layout="constrained")
    for at, row in enumerate(shown):
        color = f"C{sections.index(row.section) % 10}"
        axes.barh(at, row.seconds, xerr=row.spread / 2, color=color, height=0.7, error_kw={"elinewidth": 0.8})
        axes.annotate(f" {1000 * row.seconds:.0f} ms", (row.seconds + row.spread / 2, at), va="center", fontsize=7)
    axes.set_yticks(range(len(shown)), [f"{row.section}: {row.name}" for row in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.01)
    axes.set_xlabel("seconds, median (line: spread)")
    figure.savefig(path, dpi=130)
    plt.close(figure)
