"""The Markdown and the pictures of `tumorgen judge-shapes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from TumorGenCore.evaluation.markdown import estimate, number, spread, table_lines
from TumorGenCore.evaluation.plots import save_plot, tidy
from TumorGenCore.evaluation.two_sample.mask_test import FEATURES, PARTS, MaskRow
from TumorGenCore.lesions.extent import around

__all__ = [
    "ASKED",
    "DRAWN",
    "JUDGING",
    "SAMPLES",
    "TRAINING",
    "save_distributions",
    "save_masks",
    "shapes_text",
]

#: Real shapes; tumors as the bundle's laws draw them, and with the fill of the real shape.
JUDGING, TRAINING, DRAWN, ASKED = "judging shapes", "training shapes", "as drawn", "fill asked"
#: The samples in the order of the report, with their colors.
SAMPLES = {JUDGING: "black", TRAINING: "0.6", DRAWN: "#d62728", ASKED: "#1f77b4"}
#: Shapes in a row of the picture, and rows for each test.
_COLUMNS, _LINES = 12, 2


def shapes_text(report: Mapping) -> str:
    """Returns the report of ``judge_shapes`` as Markdown."""
    low, high = report["limits_ml"]
    lines = [
        f"# {report['bundle']}: shapes of masks",
        "",
        "Around each judging shape, BA-PMG draws a box as in training. The box is moved into healthy tissue, on the "
        "voxels of the shape's own scan, and a tumor grows in it. Classifiers try to tell these masks from the real "
        "shapes; none is tested on a patient that it learned from. The figure is the area under the ROC curve (AUC): "
        "at 0.5 nobody can tell, at 1 everybody can. In brackets: 95 % intervals over patients (BCa).",
        "",
        f"*{DRAWN.capitalize()}*: the bundle's laws draw the size. *{ASKED.capitalize()}*: the tumor is asked for the "
        "fill of the real shape, so that size tells nothing. *Judging against training shapes* is the floor: both are "
        "real, of other patients. *Shape* is all features below but the fill.",
        "",
        f"Shapes of {low:g} to {high:g} ml; seeds {report['seeds']}. Tissue: "
        + "; ".join(f"{tissue} of {', '.join(hosts)}" for tissue, hosts in report["hosts"].items())
        + ".",
        "",
        *table_lines(["AUC", "lesions", "patients", *PARTS], _auc_rows(report["tests"])),
    ]
    for test in report["tests"]:
        lines += [f"## {test['name']}", "", *_features(test)]
    return "\n".join([*lines, "![distributions](distributions.png)", "", "![masks](masks.png)", ""])


def _auc_rows(tests: Sequence[Mapping]) -> list[list[str]]:
    rows = []
    for test in tests:
        counts = [str(test["lesions"]), str(test["patients"])]
        found = {f"{test['name']}, {mode}": parts for mode, parts in test["modes"].items()}
        if test["floor"] is not None:
            found[f"{test['name']}: judging against training shapes"] = test["floor"]
        for name, parts in found.items():
            rows.append([name, *counts, *(estimate(parts[part]["auc"], parts[part]["interval"]) for part in PARTS)])
    return rows


def _features(test: Mapping) -> list[str]:
    rows = []
    for name, title in FEATURES.items():
        cells = []
        for sample in test["features"].values():
            found = sample[name]
            cell = spread(found["q50"], found["q10"], found["q90"])
            cells.append(cell if "larger" not in found else f"{cell}; {number(found['larger'])}")
        rows.append([title, *cells])
    about = [
        f"{mode}: {found['none_grew']} without a tumor, volume over that of the real shape "
        + spread(*(found["volume_over_real"][key] for key in ("q50", "q10", "q90")))
        for mode, found in test["modes"].items()
    ]
    return [
        "Median (10 % to 90 %); then how often the value is larger than that of a judging shape, where 0.5 is equal.",
        "",
        *table_lines(["", *test["features"]], rows),
        f"{'; '.join(about)}.",
        "",
    ]


def save_distributions(tests: Mapping[str, Mapping[str, Sequence[MaskRow]]], path: Path) -> None:
    """Writes a PNG with the cumulative distribution of each feature: a row for each test, a curve for each sample.

    Args:
        tests: for each test, the rows of each sample by its name.
        path: file to write.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(2.1 * len(FEATURES), 0.6 + 2.2 * len(tests)), layout="constrained")
    axes = figure.subplots(len(tests), len(FEATURES), sharey=True, squeeze=False)
    for line, (name, samples) in zip(axes, tests.items(), strict=True):
        for axis, (feature, title) in zip(line, FEATURES.items(), strict=True):
            for sample, rows in samples.items():
                _draw_share(axis, [float(row[feature]) for row in rows], sample)
            tidy(axis, title, 8)
        line[0].set_ylabel(name.replace(" in ", "\nin "), fontsize=7)
    axes[0, 0].legend(fontsize=6)
    save_plot(figure, path)


def _draw_share(axis: Axes, values: Sequence[float], sample: str) -> None:
    known = np.sort(np.asarray(values)[np.isfinite(values)])
    if len(known):
        axis.step(known, np.arange(1, len(known) + 1) / len(known), color=SAMPLES[sample], linewidth=1, label=sample)


#: Masks on the same voxels, (k, j, i), the real one first, and the voxels' edges along i, j, k.
_Masks = tuple[Sequence[NDArray[np.bool_]], tuple[float, float, float]]


def save_masks(tests: Mapping[str, Sequence[_Masks]], path: Path) -> None:
    """Writes a PNG of masks seen from the front, brighter where they are thicker: real above, synthetic below.

    It shows shapes of all sizes, from small to large, and the last sample of the synthetic masks.

    Args:
        tests: masks by the name of the test.
        path: file to write.

    Raises:
        OSError: the file cannot be written.
    """
    figure = Figure(figsize=(_COLUMNS, 0.5 + 2.1 * _LINES * len(tests)), layout="constrained")
    axes = figure.subplots(2 * _LINES * len(tests), _COLUMNS, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for n, (name, some) in enumerate(tests.items()):
        ranked = sorted(some, key=lambda one: float(one[0][0].sum() * np.prod(one[1])))
        picked = np.unique(np.linspace(0, len(ranked) - 1, _LINES * _COLUMNS).round().astype(int))
        for place, index in enumerate(picked):
            line, column = divmod(place, _COLUMNS)
            _draw_pair(axes[2 * (_LINES * n + line) :, column], ranked[index])
        first = axes[2 * _LINES * n, 0]
        title = f"{name}: real above, synthetic below"
        # A title would widen the first column.
        first.text(0, 1.05, title, transform=first.transAxes, fontsize=7, in_layout=False)
    save_plot(figure, path)


def _draw_pair(axes: NDArray, masks: _Masks) -> None:
    (real, *_, synthetic), (x_mm, y_mm, z_mm) = masks
    block = around(real | synthetic, 1)
    for axis, mask in zip(axes, (real, synthetic), strict=False):
        thick = mask[block].sum(axis=1) * y_mm
        axis.imshow(thick, cmap="magma", origin="lower", aspect=z_mm / x_mm, vmin=0, vmax=max(thick.max(), 1))
