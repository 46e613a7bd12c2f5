"""The Markdown and the plot of `tumorgen ablate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from TumorGenCore.evaluation.markdown import distance_cells, mean_cell, table_lines
from TumorGenCore.evaluation.plots import draw_estimate, save_plot, tidy
from TumorGenCore.evaluation.themes.equality import EQUALITY_FIGURES
from TumorGenCore.evaluation.themes.equality_text import EQUALITY_HEADER, EQUALITY_NOTE, equality_cells

__all__ = ["ablation_text", "save_ablation"]

_TITLES = {"dice": "DSC", "nsd": "NSD 2 mm", "uptake_dice": "uptake_dice"}
_EQUALITY = dict(zip(EQUALITY_FIGURES, EQUALITY_HEADER[1:], strict=False))
_FRECHET = {"radiomics": "radiomics (as in FRD)", "efflite0": "FD-EffLite0"}


def ablation_text(report: dict) -> str:
    """Returns the report of ``ablate`` as Markdown."""
    return "\n".join(
        [
            "# Ablation",
            "",
            f"Each variant was trained once, for {report['steps']} steps, with the same examples, noise and seed as "
            "far as its difference allows. *Without VMR*, *not fitted*, *left to the model*, *not restored*, *noise of "
            "training* and *paste by replacement* use the networks of the first row. With so few steps, all variants "
            "are worse than a shipped bundle: compare the rows with each other, not with other reports. One training "
            "per variant does not show how much a second training would differ.",
            "",
            f"Held-out patients: {', '.join(report['patients'])}. All variants have the same boxes and seeds: rough "
            "boxes on the largest tumors, and healthy sites. *uptake_dice*: overlap of the mask with the hot voxels. "
            "Each patient counts once; intervals are 95 %, over patients. *Empty*: number of results without a tumor; "
            "these count in uptake_dice only.",
            "",
            "The Frechet distances compare the tumor sites with the largest lesions of the training patients, on "
            "the same principal components for all rows. The row of the real lesions shows the floor of the distances. "
            "*Excess* is the distance minus the floor.",
            "",
            *_main_table(report),
            *_equality(report),
            *_by_group(report),
            *_differences(report),
            "![ablation](ablation.png)",
            "",
        ]
    )


def _main_table(report: dict) -> list[str]:
    head = [""]
    for title in _FRECHET.values():
        head += [title, "excess"]
    head += [_TITLES["uptake_dice"], "empty"]
    rows = [_real_row(report)]
    for name, variant in report["variants"].items():
        cells = []
        for key in _FRECHET:
            found = report["frechet"][key].get("methods", {}).get(name, {})
            value, _, excess = distance_cells(found) if "value" in found else ("-", "", "-")
            cells += [value, excess]
        rows.append([variant["label"], *cells, mean_cell(variant["all"]["uptake_dice"]), str(variant["empty"])])
    reasons = []
    for key, title in _FRECHET.items():
        found = report["frechet"][key]
        if "left_out" in found:
            reasons += [f"{title} is left out: {found['left_out']}", ""]
        for name, row in found.get("methods", {}).items():
            if "left_out" in row:
                reasons += [f"{title} is left out for {name}: {row['left_out']}", ""]
    return [*table_lines(head, rows), *reasons]


def _real_row(report: dict) -> list[str]:
    cells = []
    for key in _FRECHET:
        known = [row for row in report["frechet"][key].get("methods", {}).values() if "value" in row]
        cells += [distance_cells(known[0])[1] if known else "-", "-"]
    return ["real, held out", *cells, "-", "-"]


def _equality(report: dict) -> list[str]:
    rows = [[v["label"], *equality_cells(v["equality"]["all"])] for v in report["variants"].values()]
    lines = ["## Does a segmenter treat them like real tumors?", "", EQUALITY_NOTE, ""]
    return [*lines, *table_lines(EQUALITY_HEADER, rows)]


def _by_group(report: dict) -> list[str]:
    lines: list[str] = [
        "## Agreement with the segmenter",
        "",
        "*DSC* and *NSD*: agreement in the box between the mask and the tumor that the segmenter finds. **A higher "
        "value is not better**: synthetic tumors should have the values of real ones of like size and contrast. So "
        "compare variants by their difference to real tumors, above.",
        "",
    ]
    real = ["real, held out", *(mean_cell(report["real"][name]) for name in ("dice", "nsd")), "-"]
    for group, title in (("tumor", "Boxes over real tumors"), ("healthy", "Boxes in healthy tissue")):
        rows = [real, *([v["label"], *_cells(v[group])] for v in report["variants"].values())]
        lines += [f"### {title}", "", *table_lines(["", *_TITLES.values()], rows)]
    return lines


def _differences(report: dict) -> list[str]:
    rows = [[v["label"], *_cells(v["over_full"])] for v in report["variants"].values() if v["over_full"]]
    if not rows:
        return []
    note = (
        "Mean of each patient's own difference to the first variant. If the interval contains 0, it is open whether "
        "the variants differ. A rise of DSC or NSD is no gain by itself."
    )
    return ["## Difference to TumorGen", "", note, "", *table_lines(["", *_TITLES.values()], rows)]


def _cells(means: dict) -> list[str]:
    return [mean_cell(means[name]) for name in _TITLES]


#: Value and the ends of its interval; None if unknown.
_Estimate = tuple[float | None, Sequence[float] | None]


def _distances(report: dict, key: str) -> dict[str, _Estimate]:
    methods = report["frechet"][key].get("methods", {})
    rows = {name: methods.get(name, {}) for name in report["variants"]}
    return {name: (row.get("value"), row.get("value_interval")) for name, row in rows.items()}


def _mean(found: dict) -> _Estimate:
    return found["mean"], found["interval"]


def save_ablation(report: dict, path: Path) -> None:
    """Writes a PNG: one panel per measure, one row per variant, with intervals.

    A dotted line is TumorGen's value. The panels of the segmenter show the difference to real tumors, with a line at 0.

    Raises:
        OSError: the file cannot be written.
    """
    variants = list(report["variants"].items())[::-1]
    figure = Figure(figsize=(13, 0.8 + 0.45 * (len(variants) + 1)), layout="constrained")
    panels: list[tuple[str, dict[str, _Estimate], float | None]] = [
        (title, _distances(report, key), None) for key, title in _FRECHET.items()
    ]
    for key, title in _EQUALITY.items():
        panels.append((f"{title}, minus real", {n: _mean(v["equality"]["all"][key]) for n, v in variants}, 0.0))
    panels.append((_TITLES["uptake_dice"], {n: _mean(v["all"]["uptake_dice"]) for n, v in variants}, None))
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, found, aim) in zip(axes, panels, strict=True):
        if aim is not None:
            axis.axvline(aim, color="0.3", linewidth=1)
        for row, (name, _) in enumerate(variants):
            value, bounds = found[name]
            draw_estimate(axis, row, value, bounds)
            if name == "full" and value is not None and aim is None:
                axis.axvline(value, color="#1f77b4", linestyle=":", linewidth=1)
        tidy(axis, title, 8)
    axes[0].set_yticks(range(len(variants)), [variant["label"] for _, variant in variants], fontsize=7)
    save_plot(figure, path)
