"""The Markdown and the plot of `tumorgen ablate`."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from TumorGenCore.evaluation.markdown import distance_cells, mean_cell, table_lines
from TumorGenCore.evaluation.plots import draw_estimate, save_plot, tidy

__all__ = ["ablation_text", "save_ablation"]

_TITLES = {"dice": "DSC", "nsd": "NSD 2 mm", "uptake_dice": "uptake_dice"}
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
            "boxes on the largest tumors, and healthy sites. *DSC* and *NSD*: agreement in the box between the mask "
            "and the tumor found by a segmenter, which was trained on real patients. *uptake_dice*: overlap of the "
            "mask with the hot voxels. Each patient counts once; intervals are 95 %, over patients. *Empty*: number of "
            "results without a tumor; these count in uptake_dice only.",
            "",
            "The Frechet distances compare the tumor sites with the largest lesions of the training patients, on "
            "the same principal components for all rows. The row of the real lesions shows the floor of the distances "
            "and the ceiling of the segmenter. *Excess* is the distance minus the floor.",
            "",
            *_main_table(report),
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
    head += [*_TITLES.values(), "empty"]
    rows = [_real_row(report)]
    for name, variant in report["variants"].items():
        cells = []
        for key in _FRECHET:
            found = report["frechet"][key].get("methods", {}).get(name, {})
            value, _, excess = distance_cells(found) if "value" in found else ("-", "", "-")
            cells += [value, excess]
        rows.append([variant["label"], *cells, *_cells(variant["all"]), str(variant["empty"])])
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
    ceiling = [mean_cell(report["ceiling"][name]) for name in ("dice", "nsd")]
    return ["real, held out", *cells, *ceiling, "-", "-"]


def _by_group(report: dict) -> list[str]:
    lines: list[str] = []
    for group, title in (("tumor", "Boxes over real tumors"), ("healthy", "Boxes in healthy tissue")):
        rows = [[v["label"], *_cells(v[group])] for v in report["variants"].values()]
        lines += [f"## {title}", "", *table_lines(["", *_TITLES.values()], rows)]
    return lines


def _differences(report: dict) -> list[str]:
    rows = [[v["label"], *_cells(v["over_full"])] for v in report["variants"].values() if v["over_full"]]
    if not rows:
        return []
    note = "Mean of each patient's own difference. If the interval contains 0, it is open which variant is better."
    return ["## Difference to TumorGen", "", note, "", *table_lines(["", *_TITLES.values()], rows)]


def _cells(means: dict) -> list[str]:
    return [mean_cell(means[name]) for name in _TITLES]


def save_ablation(report: dict, path: Path) -> None:
    """Writes a PNG: one panel per measure, one row per variant, with intervals; the dotted line is TumorGen's value.

    Raises:
        OSError: the file cannot be written.
    """
    variants = list(report["variants"].items())[::-1]
    figure = Figure(figsize=(13, 0.8 + 0.45 * (len(variants) + 1)), layout="constrained")
    panels = [(key, title, True) for key, title in _FRECHET.items()]
    panels += [(key, title, False) for key, title in _TITLES.items()]
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (key, title, is_distance) in zip(axes, panels, strict=True):
        for row, (name, variant) in enumerate(variants):
            found = report["frechet"][key].get("methods", {}).get(name, {}) if is_distance else variant["all"][key]
            value = found.get("value" if is_distance else "mean")
            bounds = found.get("value_interval" if is_distance else "interval")
            draw_estimate(axis, row, value, bounds)
            if name == "full" and value is not None:
                axis.axvline(value, color="#1f77b4", linestyle=":", linewidth=1)
        tidy(axis, title, 8)
    axes[0].set_yticks(range(len(variants)), [variant["label"] for _, variant in variants], fontsize=7)
    save_plot(figure, path)
