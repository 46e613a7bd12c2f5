"""The Markdown of the measures of realism: one table a theme, with how to read it."""

from __future__ import annotations

from collections.abc import Sequence

from TumorGenCore.evaluation.themes.alignment import ALIGNMENT_FIGURES

__all__ = [
    "ALIGNMENT_HEADER",
    "alignment_cells",
    "alignment_note",
    "distance_cells",
    "interval_text",
    "number",
    "realism_lines",
    "table_lines",
]

_SITES = {"tumor": "tumor sites", "healthy": "healthy sites", "phantom": "phantom", "patients": "all on patients"}
_LABELS = {
    "training": "real, trained on",
    "held_out": "real, held out",
    **{group: f"synthetic, {sites}" for group, sites in _SITES.items()},
    "real": "real, held out",
}


def realism_lines(realism: dict) -> list[str]:
    """Lines of the report's section on realism; ``realism`` as ``measure_realism`` gives it."""
    return [
        "# Realism",
        "",
        "Synthetic tumors beside real ones. Where a distance is given, it is to the real lesions that the bundle was "
        "trained on; its *floor* is the same distance from the held-out real lesions, and *excess* is the difference: "
        "an excess whose interval reaches 0 could not be told from real lesions with this many patients. Intervals are "
        "95 %, from 200 draws of patients; a patient drawn twice makes any distance larger, hence intervals lie "
        "a little high. "
        "Every case counts with its largest lesion, which the boxes of the tumor "
        "sites are drawn around; several seeds are averaged.",
        "",
        *_statistics(realism),
        *_seams(realism["seams"]),
        *_alignment(realism["alignment"]),
        *_diversity(realism["diversity"]),
        *_memorization(realism["memorization"]),
        *_frechet(realism["frechet"]),
    ]


def _statistics(realism: dict) -> list[str]:
    table = realism["statistics"]
    kinds = [kind for kind, rows in realism["lesions"].items() if rows]
    lines = ["## Lesion statistics", "", "Median, and the 10 % and 90 % quantiles.", ""]
    lines += table_lines(
        ["", *[f"{_LABELS[kind]} ({len(realism['lesions'][kind])})" for kind in kinds]],
        [[f"`{name}`", *[_quantiles(row["quantiles"][kind]) for kind in kinds]] for name, row in table.items()],
    )
    lines += [
        "`mtv_ml` is the part of the mask above 41 % of SUVmax, `tlg` its volume times its mean SUV. "
        "`sphericity`: 1 is a ball. `edge_fwhm_mm`: the blur that would make a sharp step as soft as the tumor's "
        "edge; less than the real ones' is too sharp for the scanner, more is too soft. `necrosis_fraction`: share of "
        "the mask that is cold and over 6 mm from its surface. A real lesion is the part of its contour above 41 % of "
        "its 95th percentile, as in training: contours drawn on another modality reach beyond the uptake.",
        "",
        "![lesion statistics](lesion_statistics.png)",
        "",
        "Distances of the tumor sites' distributions. Kolmogorov-Smirnov: 0 is the same, 1 is no overlap. "
        "Wasserstein: how far values have to move, on natural logarithms (0.1 is about 10 %) but for sphericity and "
        "necrosis.",
        "",
    ]
    left_out = {row["left_out"] for row in table.values() if "left_out" in row}
    known = {name: row for name, row in table.items() if "left_out" not in row}
    if known:
        rows = []
        for name, row in known.items():
            ks, wasserstein = row["kolmogorov_smirnov"], row["wasserstein"]
            rows.append([f"`{name}`", *distance_cells(ks), *distance_cells(wasserstein)])
        head = ["", "KS", "floor", "excess", "Wasserstein", "floor", "excess"]
        lines += table_lines(head, rows)
    for reason in sorted(left_out):
        names = ", ".join(f"`{name}`" for name, row in table.items() if row.get("left_out") == reason)
        lines += [f"Left out for {names}: {reason}", ""]
    return lines


def _seams(seams: dict) -> list[str]:
    rows = [
        [_LABELS[group], str(row["n"]), number(row.get("median")), number(row.get("highest"))]
        for group, row in seams["groups"].items()
    ]
    return [
        "## Seams",
        "",
        "Steepness across the box's faces over that of the untouched scan there. 1 is no seam; a pasted box gives "
        "several.",
        "",
        *table_lines(["", "sites", "median", "highest"], rows),
    ]


def _alignment(found: dict) -> list[str]:
    lines = ["## Alignment", ""]
    if "left_out" in found:
        return [*lines, f"Left out: {found['left_out']}", ""]
    rows = [[_LABELS["real"], *alignment_cells(found["ceiling"])]]
    rows += [[_LABELS[group], *alignment_cells(row)] for group, row in found["groups"].items()]
    for kind in ("passing", "probability", "voxels"):
        rows += [[f"{_ROWS[kind]}, {_SITES[group]}", *alignment_cells(row)] for group, row in found[kind].items()]
    return [
        *lines,
        alignment_note(),
        "*All on patients*: tumor and healthy sites. *Passed the quality gate*: see below. "
        "*M' as a probability*: its border where the probability is one half, which may lie between voxels as the "
        "segmenter's does (`--output-probability`). *The scan's voxels*: the segmenter's own finding, brought to the "
        "scan's voxels and compared with itself; no mask on these voxels can agree better.",
        "",
        *table_lines(ALIGNMENT_HEADER, rows),
    ]


_ROWS = {"passing": "passed the quality gate", "probability": "M' as a probability", "voxels": "the scan's voxels"}
#: Of a table with a row of ``alignment_cells`` after each name.
ALIGNMENT_HEADER = ["", "lesions", "DSC", "NSD 2 mm", "NSD one voxel", "DSC on voxels", "empty"]


def alignment_note() -> str:
    """How to read figures of alignment."""
    return (
        "What a segmenter finds that was trained on other, real patients only, against the mask, inside the box: Dice "
        "coefficient and normalized surface distance, on a grid finer than the scan's. *DSC on voxels*: on the scan's "
        "own grid, to which the segmenter's finding is brought. The real tumors' row is the ceiling: what it reaches "
        "where nothing is synthetic. Intervals are 95 %, over patients; none for fewer than five. *Empty*: no tumor "
        "grew; these do not count."
    )


def alignment_cells(row: dict) -> list[str]:
    """Lesions, the figures with their intervals, and empty masks, as ``mean_alignment`` gives them."""
    means = [number(row[name]["mean"]) + interval_text(row[name]["interval"]) for name in ALIGNMENT_FIGURES]
    return [str(row["dice"]["lesions"]), *means, str(row["empty"])]


def _diversity(diversity: dict) -> list[str]:
    rows = []
    for group, sets in diversity.items():
        for name, row in sets.items():
            cells = [row[key] for key in ("correlation", "dice", "volume_ml_variation", "suv_max_variation")]
            if any(cell is not None for cell in cells):
                rows.append([_LABELS[group], name.replace("_", " "), *map(number, cells)])
    return [
        "## Variety",
        "",
        "Likeness of pairs of tumors in coordinates of their boxes: correlation of the changes and overlap of the "
        "masks (1 is always the same tumor), and deviation over mean of volume and SUVmax. *Between seeds*: at one "
        "site; *between sites*: with one seed. The real row tells how alike real tumors are in such boxes. With one "
        "seed there is no row between seeds.",
        "",
        *table_lines(["", "", "correlation", "Dice", "volume variation", "SUVmax variation"], rows),
    ]


def _memorization(found: dict) -> list[str]:
    lines = ["## Memorization", ""]
    if "left_out" in found:
        return [*lines, f"Left out: {found['left_out']}", ""]
    low, high = found["near_share_interval"]
    lines += [
        "Distance of each lesion to the nearest training lesion of another patient, each turned along its own axes and "
        "scaled to one size and uptake: half by shape, half by the pattern of the uptake; 0 is the same lesion. "
        f"Of the {len(found['synthetic'])} synthetic lesions **{100 * found['near_share']:.0f} %** "
        f"({100 * low:.0f} to {100 * high:.0f} %) are nearer than {found['limit']:.3f}, which 5 % of the "
        f"{len(found['real'])} real ones are ({found['made_small']} of these are held-out tumors made small, since "
        "most synthetic ones are). A plain, round tumor is near to many; a copy is much nearer to one "
        "training lesion than to the next patient's (`ratio` near 0).",
        "",
        "Suspected copies (nearer, and more singled out, than every real lesion): "
        + (", ".join(found["copies"]) if found["copies"] else "none")
        + ". The nearest:",
        "",
    ]
    nearest = sorted(found["synthetic"], key=lambda row: row["distance"])[:5]
    rows = [[r["name"], r["nearest"], f"{r['distance']:.3f}", f"{r['ratio']:.2f}"] for r in nearest]
    return [
        *lines,
        *table_lines(["synthetic", "nearest training lesion", "distance", "ratio"], rows),
        "![memorization](memorization.png)",
        "",
    ]


def _frechet(frechet: dict) -> list[str]:
    names = {
        "radiomics": "radiomics (FRD's manner)",
        "efflite0": "FD-EffLite0 (three middle slices)",
        "inception": "FID's features (three middle slices)",
    }
    rows, notes = [], []
    for key, found in frechet.items():
        if "left_out" in found:
            notes += [f"{names[key]} is left out: {found['left_out']}", ""]
            continue
        size = f"{found['features']} features, {found['components']} components ({100 * found['explained']:.0f} %)"
        rows.append([names[key], size, *distance_cells(found)])
    lines = [
        "## Frechet distances",
        "",
        "1 is a shift as large as the training lesions' whole spread. Few lesions make any such distance large, real "
        "ones' too: read it beside its floor only, and compare it with no other report's. The features are projected "
        "on principal components of the training lesions, few enough that the smallest group's covariance has full "
        "rank; in brackets, the share of the spread that they keep. Radiomics: MIRP's statistics, co-occurrence, run "
        "lengths and size zones, with volume and sphericity. FD-EffLite0 is not FID: its network is "
        "EfficientNet-Lite0; FID's own features need Inception's weights (`--inception`), and FID itself thousands of "
        "pictures.",
        "",
    ]
    return [*lines, *(table_lines(["", "", "distance", "floor", "excess"], rows) if rows else []), *notes]


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line."""
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    return [*lines, *[f"| {' | '.join(row)} |" for row in rows], ""]


def distance_cells(found: dict) -> list[str]:
    """Value, floor, and excess, with intervals."""
    return [number(found[key]) + interval_text(found[f"{key}_interval"]) for key in ("value", "floor", "excess")]


def interval_text(bounds: Sequence[float] | None) -> str:
    """In brackets after a figure; nothing where there is none."""
    return "" if bounds is None else f" ({bounds[0]:.2f} to {bounds[1]:.2f})"


def _quantiles(row: dict) -> str:
    return "-" if row["q50"] is None else f"{_short(row['q50'])} ({_short(row['q10'])} to {_short(row['q90'])})"


def _short(value: float) -> str:
    """Two decimals below 10, none from 100 on."""
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def number(value: float | None) -> str:
    """Two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"
