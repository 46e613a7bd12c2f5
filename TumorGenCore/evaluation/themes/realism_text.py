"""The Markdown of the measures of realism: one table per theme, with an explanation."""

from __future__ import annotations

from TumorGenCore.evaluation.markdown import distance_cells, number, percent, short, spread, table_lines
from TumorGenCore.evaluation.themes.alignment_text import ALIGNMENT_HEADER, ALIGNMENT_NOTE, alignment_cells

__all__ = ["realism_lines"]

_SITES = {"tumor": "tumor sites", "healthy": "healthy sites", "phantom": "phantom", "patients": "all on patients"}
_LABELS = {
    "training": "real, trained on",
    "held_out": "real, held out",
    **{group: f"synthetic, {sites}" for group, sites in _SITES.items()},
    "real": "real, held out",
}


def realism_lines(realism: dict) -> list[str]:
    """Returns the section on realism as Markdown; ``realism`` is the result of ``measure_realism``."""
    return [
        "# Realism",
        "",
        "Comparison of synthetic tumors with real ones. Distances are measured to the real lesions of the bundle's "
        "training. *Floor*: distance of the held-out real lesions. *Excess*: distance minus floor. If the interval of "
        "the excess reaches 0, this number of patients shows no difference to real lesions. Intervals are 95 %, from "
        "200 draws of patients. They lie a little high, because a patient drawn twice makes every distance larger. "
        "Every case counts with its largest lesion, and the boxes of the tumor sites lie around these lesions. Several "
        "seeds are averaged.",
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
    lines = ["## Lesion statistics", "", "Median with the 10 % and 90 % quantiles.", ""]
    lines += table_lines(
        ["", *[f"{_LABELS[kind]} ({len(realism['lesions'][kind])})" for kind in kinds]],
        [[f"`{name}`", *[_quantile_cell(row["quantiles"][kind]) for kind in kinds]] for name, row in table.items()],
    )
    lines += [
        "`mtv_ml`: volume of the part of the mask above 41 % of SUVmax. `tlg`: this volume times its mean SUV. "
        "`sphericity`: 1 is a ball. `edge_fwhm_mm`: blur that would make a sharp step as soft as the tumor's edge; "
        "below the value of real tumors the edge is too sharp for the scanner, above it too soft. "
        "`necrosis_fraction`: share of the mask that is cold and more than 6 mm from its surface. A real lesion is the "
        "part of its contour above 41 % of its 95th percentile, as in training, because contours drawn on another "
        "modality reach beyond the uptake.",
        "",
        "![lesion statistics](lesion_statistics.png)",
        "",
        "Distances of the distributions at the tumor sites. Kolmogorov-Smirnov (KS): 0 means equal, 1 means no "
        "overlap. Wasserstein: mean shift between the values, as natural logarithms (0.1 is about 10 %) except for "
        "sphericity and necrosis.",
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
        "Steepness of the image across the faces of the box, divided by that of the untouched scan. 1 means no seam; a "
        "box pasted without blending reaches several.",
        "",
        *table_lines(["", "sites", "median", "highest"], rows),
    ]


def _alignment(found: dict) -> list[str]:
    lines = ["## Agreement with a segmenter", ""]
    if "left_out" in found:
        return [*lines, f"Left out: {found['left_out']}", ""]
    rows = [[_LABELS["real"], *alignment_cells(found["real"])]]
    rows += [[_LABELS[group], *alignment_cells(row)] for group, row in found["groups"].items()]
    for kind in ("passing", "probability", "voxels"):
        rows += [[f"{_ROWS[kind]}, {_SITES[group]}", *alignment_cells(row)] for group, row in found[kind].items()]
    return [
        *lines,
        ALIGNMENT_NOTE,
        "*All on patients*: tumor and healthy sites. *Passed the quality gate*: see the section on the quality gate. "
        "*M' as a probability*: the border lies at a probability of one half and so, like the segmenter's, may lie "
        "between voxels (`--output-probability`). *The scan's voxels*: the segmenter's finding on the voxels of the "
        "scan, compared with the finding itself; no mask on these voxels can agree more.",
        "",
        *table_lines(ALIGNMENT_HEADER, rows),
    ]


_ROWS = {"passing": "passed the quality gate", "probability": "M' as a probability", "voxels": "the scan's voxels"}


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
        "masks (1 means always the same tumor); and standard deviation over mean of volume and SUVmax. *Between "
        "seeds*: at one site; with one seed this row is missing. *Between sites*: with one seed. The row of the real "
        "tumors shows how alike real tumors are in such boxes.",
        "",
        *table_lines(["", "", "correlation", "Dice", "volume variation", "SUVmax variation"], rows),
    ]


def _memorization(found: dict) -> list[str]:
    lines = ["## Memorization", ""]
    if "left_out" in found:
        return [*lines, f"Left out: {found['left_out']}", ""]
    bounds = found["near_share_interval"]
    interval = "" if bounds is None else f" ({number(100 * bounds[0], 0)} to {percent(bounds[1])})"
    lines += [
        "Distance of each lesion to the nearest training lesion of another patient, both aligned to their own axes and "
        "scaled to one size and uptake. Shape and pattern of the uptake count half each; 0 means the same lesion. "
        f"Of the {len(found['synthetic'])} synthetic lesions, **{percent(found['near_share'])}**{interval} "
        f"are nearer than {number(found['limit'], 3)}. 5 % of the "
        f"{len(found['real'])} real lesions are that near; {found['made_small']} of these are held-out tumors made "
        "small, because most synthetic lesions are small. A plain, round tumor is near to many lesions; a copy is much "
        "nearer to one training lesion than to the nearest one of another patient (`ratio` near 0).",
        "",
        "Suspected copies (smaller distance and smaller ratio than every real lesion): "
        + (", ".join(found["copies"]) if found["copies"] else "none")
        + ". The nearest lesions:",
        "",
    ]
    nearest = sorted(found["synthetic"], key=lambda row: row["distance"])[:5]
    rows = [[r["name"], r["nearest"], number(r["distance"], 3), number(r["ratio"])] for r in nearest]
    return [
        *lines,
        *table_lines(["synthetic", "nearest training lesion", "distance", "ratio"], rows),
        "![memorization](memorization.png)",
        "",
    ]


def _frechet(frechet: dict) -> list[str]:
    names = {
        "radiomics": "radiomics (as in FRD)",
        "efflite0": "FD-EffLite0 (three middle slices)",
        "inception": "features of FID (three middle slices)",
    }
    rows, notes = [], []
    for key, found in frechet.items():
        if "left_out" in found:
            notes += [f"{names[key]} is left out: {found['left_out']}", ""]
            continue
        size = f"{found['features']} features, {found['components']} components ({percent(found['explained'])})"
        rows.append([names[key], size, *distance_cells(found)])
    lines = [
        "## Frechet distances",
        "",
        "A distance of 1 is a shift as large as the whole spread of the training lesions. Few lesions make every such "
        "distance large, also for real lesions: compare it with its floor only, not with other reports. The features "
        "are projected on principal components of the training lesions, few enough that the covariance of the smallest "
        "group has full rank. The brackets show the share of the spread that the components keep. Radiomics: MIRP's "
        "statistics, co-occurrence, run lengths and size zones, with volume and sphericity. FD-EffLite0 is not FID: "
        "its network is EfficientNet-Lite0. Features of FID need Inception's weights (`--inception`), and FID itself "
        "needs thousands of pictures.",
        "",
    ]
    return [*lines, *(table_lines(["", "", "distance", "floor", "excess"], rows) if rows else []), *notes]


def _quantile_cell(row: dict) -> str:
    return "-" if row["q50"] is None else spread(row["q50"], row["q10"], row["q90"], short)
