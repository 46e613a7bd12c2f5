"""The Markdown and the plot of `tumorgen usefulness`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from TumorGenCore.evaluation.markdown import mean_cell, number, spread, table_lines
from TumorGenCore.evaluation.plots import draw_estimate, save_plot, tidy
from TumorGenCore.evaluation.studies.usefulness_recovery import recovery_lines
from TumorGenCore.lesions.quality import GOOD_QUALITY

__all__ = ["save_usefulness", "usefulness_text"]

_TITLES = {
    "dice": "DSC",
    "sensitivity": "detection sensitivity",
    "false_positives": "false positives per scan",
    "false_positive_ml": "false positive volume, ml",
    "false_negative_ml": "false negative volume, ml",
}
_PLOTTED = ("own size", "made small", "shapes of the field")


def usefulness_text(report: dict) -> str:
    """Returns the report of ``usefulness`` as Markdown."""
    few, every = len(report["few"]), len(report["all"])
    lines = [
        f"# Usefulness of {report['bundle']}",
        "",
        f"A segmenter (MONAI's DynUNet) learns from {few} real cases ({', '.join(report['few'])}), with or without "
        f"synthetic tumors, for {report['steps']} steps on {report['patches']} patches. The seeds {report['seeds']} "
        "differ in initial weights and patches. In every arm, six in ten patches show a tumor; in arms with synthetic "
        "tumors, half of the tumors are synthetic. The tissue in the other patches is the same for all arms but the "
        f"last: that of the few cases and of {', '.join(report['healthy_only']) or 'no others'}, whose own tumors are "
        "never shown.",
        "",
        f"**What the generator knows**: it was trained on all {every} real cases of the last row, which include the "
        f"{few}. TumorGen's row stands for a user with few patients and a finished bundle, which adds what it learned "
        "from the other patients. It does not show the value of a generator trained on the few alone. Tumors below a "
        f"quality of {GOOD_QUALITY:g} are replaced by new ones. Copy-paste and the rules know the few cases only. The "
        "last row is the ceiling.",
        "",
        f"The test cases are {', '.join(report['held_out'])}, which neither segmenters nor generator have seen. *Own "
        "size*: the whole scan with its own tumors, which are large. *Made small*: the same tumors, shrunk, blurred "
        "and placed into healthy tissue of the same patient, like the generator's training examples. Arms with tumors "
        "made in a similar way may find these more easily than real small tumors. *Shapes of the field*: judging "
        "shapes of the library, which no network learned from, at about their own size, in the same tissue, with the "
        "uptake of the patient's tumor or a drawn one.",
        "",
        "*DSC*: over all tumors of a scan. *Sensitivity*: share of lesions of which at least a tenth is found. *False "
        "positives*: pieces of at least 0.3 ml that touch no tumor. *False positive volume*: volume of all found "
        "pieces that overlap no tumor. *False negative volume*: volume of the tumors of which nothing is found. DSC "
        "and both volumes are the measures of autoPET. Each patient counts once, with the mean over scans and seeds; "
        "intervals are 95 %, over patients. *Seeds*: the lowest and the highest value of the seeds.",
        "",
        *_made(report),
    ]
    for group in _groups_with_scans(report):
        lines += [f"## {group[0].upper()}{group[1:]} ({report['groups'][group]} scans)", "", *_group(report, group)]
    if report["recovery"] is not None:
        lines += recovery_lines(report["recovery"])
    return "\n".join([*lines, "![usefulness](usefulness.png)", "", "![synthetic tumors](synthetic.png)", ""])


def _groups_with_scans(report: dict) -> list[str]:
    return [group for group, scans in report["groups"].items() if scans]


def _made(report: dict) -> list[str]:
    rows = []
    for arm, about in report["synthetic"].items():
        volume = about["volume_ml"]
        cell = spread(volume["q50"], volume["q10"], volume["q90"])
        rows.append([report["arms"][arm]["label"], str(about["tumors"]), str(about["empty"]), cell])
    return table_lines(["synthetic tumors", "made", "none grew", "volume, ml: median (10 % to 90 %)"], rows)


def _group(report: dict, group: str) -> list[str]:
    rows, differences = [], []
    for arm in report["arms"].values():
        found = [arm["groups"][group][figure] for figure in _TITLES]
        cells: list[str] = []
        for figure in found:
            seeds = [seed for seed in figure["seeds"] if seed is not None]
            cells += [mean_cell(figure), f"{number(min(seeds))} to {number(max(seeds))}" if seeds else "-"]
        rows.append([arm["label"], *cells])
        if found[0]["over_real"] is not None:
            over = [figure["over_real"] for figure in found]
            differences.append([arm["label"], *[mean_cell(some) for some in over]])
    head = [""]
    for title in _TITLES.values():
        head += [title, "seeds"]
    return [
        *table_lines(head, rows),
        "Difference to *few real*, computed for each patient:",
        "",
        *table_lines(["", *_TITLES.values()], differences),
    ]


def save_usefulness(report: dict, path: Path) -> None:
    """Writes a PNG: one panel per measure and group, one row per arm, with mean, interval and a dot per seed.

    Raises:
        OSError: the file cannot be written.
    """
    arms = list(report["arms"].values())[::-1]
    groups = [group for group in _groups_with_scans(report) if group in _PLOTTED]
    figure = Figure(figsize=(3.7 * len(_TITLES), 2.6 * len(groups)), layout="constrained")
    axes = figure.subplots(len(groups), len(_TITLES), sharey=True, squeeze=False)
    for line, group in zip(axes, groups, strict=True):
        for axis, (key, title) in zip(line, _TITLES.items(), strict=True):
            for row, arm in enumerate(arms):
                found = arm["groups"][group][key]
                draw_estimate(axis, row, found["mean"], found["interval"], 5)
                seeds = [seed for seed in found["seeds"] if seed is not None]
                axis.plot(seeds, [row + 0.22] * len(seeds), ".", color="#d62728", markersize=4)
            tidy(axis, f"{title}, {group}")
        line[0].set_yticks(range(len(arms)), [arm["label"] for arm in arms], fontsize=8)
    save_plot(figure, path, "bars: 95 % over patients; red dots: seeds", 8)
