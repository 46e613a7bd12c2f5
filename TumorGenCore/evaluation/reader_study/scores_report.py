"""The files of `tumorgen reader-study score`: values, text and plot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from TumorGenCore.evaluation.markdown import estimate, number, percent, table_lines
from TumorGenCore.evaluation.plots import save_plot, tidy
from TumorGenCore.evaluation.reader_study.lesions import SMALL_ML
from TumorGenCore.evaluation.reader_study.scoring import FIGURES
from TumorGenCore.evaluation.report_files import write_text
from TumorGenCore.volumes.safe_write import all_or_none

__all__ = ["scores_text", "write_scores"]

_GROUPS = {"all": "all", "large": f"from {SMALL_ML:g} ml", "small": f"below {SMALL_ML:g} ml"}


def write_scores(scores: dict, folder: Path) -> None:
    """Writes ``scores.json``, ``scores.md`` and ``roc.png``, all of them or none.

    Args:
        scores: result of ``score``.
        folder: folder to write to, which is made if needed.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with all_or_none():
        write_text(folder / "scores.json", json.dumps(scores, indent=2) + "\n")
        write_text(folder / "scores.md", scores_text(scores))
        _save_roc(scores, folder / "roc.png")


def scores_text(scores: dict) -> str:
    """Returns the scores as Markdown."""
    readers = scores["readers"]
    numbers = ", ".join(f"{count} {name}" for name, count in scores["lesions"].items())
    lines = [
        f"# Reader study {scores['study']}",
        "",
        f"{len(readers)} reader{'s' * (len(readers) > 1)}. Lesions: {numbers}. The readers did not know how many of "
        "each kind there are.",
        "",
        "An AUC of 0.5 means that the reader cannot tell synthetic lesions from real ones; 1 means that the reader "
        "always can. In brackets: 95 % intervals, by drawing patients with replacement. They do not say how other "
        "readers would do. There is no interval with fewer than five patients of each kind.",
        "",
    ]
    rows = [
        [f"{name}, {_GROUPS[group]}", *_cells(scores["readers"][name][group])] for name in readers for group in _GROUPS
    ]
    if len(readers) > 1:
        rows += [[f"**all readers**, {title}", *_cells(scores["pooled"][group])] for group, title in _GROUPS.items()]
    lines += table_lines(["reader, lesions", "AUC", "accuracy", "sensitivity", "specificity", "patients"], rows)
    lines += [
        "*Accuracy*: share of right answers. A rating above 3 calls a lesion synthetic, below 3 real; 3 counts half. "
        "*Sensitivity*: share of the synthetic lesions that are called synthetic. *Specificity*: share of the real "
        "lesions that are called real. *All readers* takes all answers together.",
        "",
    ]
    lines += table_lines(
        ["reader", "answered", "median time, s"],
        [[name, str(found["answered"]), number(found["median_seconds"], 1)] for name, found in readers.items()],
    )
    lines += table_lines(
        ["origin of the lesion", "answers", "called synthetic"],
        [[made, str(of["answers"]), percent(of["called_synthetic"])] for made, of in scores["pooled"]["made"].items()],
    )
    quality = scores["pooled"]["quality"]
    if quality["rank_correlation"] is not None:
        lines += [
            f"Quality of {quality['lesions']} synthetic lesions and how surely the readers called them real: rank "
            f"correlation {number(quality['rank_correlation'])} (Spearman, p {number(quality['p'])}). Above 0, the "
            "quality sees what readers see.",
            "",
        ]
    return "\n".join([*lines, "![ROC curves](roc.png)", ""])


def _cells(found: dict) -> list[str]:
    shown = [estimate(found[name], found[f"{name}_interval"]) for name in ("auc", *FIGURES[:-1])]
    return [*shown, str(found["patients"])]


def _save_roc(scores: dict, path: Path) -> None:
    figure = Figure(figsize=(4.2, 4.4), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle="--")
    for name, found in scores["readers"].items():
        if found["all"]["auc"] is not None:
            axis.plot(
                *_curve(found["all"]["ratings"]), "o-", markersize=4, label=f"{name} (AUC {found['all']['auc']:.2f})"
            )
    if len(scores["readers"]) > 1 and scores["pooled"]["all"]["auc"] is not None:
        pooled = scores["pooled"]["all"]
        axis.plot(*_curve(pooled["ratings"]), "k-", linewidth=2.5, label=f"all readers (AUC {pooled['auc']:.2f})")
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set_xlabel("real lesions called synthetic", fontsize=8)
    axis.set_ylabel("synthetic lesions called synthetic", fontsize=8)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, loc="lower right")
    tidy(axis, "Readers: synthetic or real?")
    save_plot(figure, path)


def _curve(ratings: dict[str, list[int]]) -> NDArray[np.float64]:
    """Returns false and true positive rates, (2, 6), for every threshold from above 5 to 1."""
    counts = np.array([ratings["real"], ratings["synthetic"]], dtype=float)[:, ::-1]
    return np.concatenate([np.zeros((2, 1)), np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)], axis=1)
