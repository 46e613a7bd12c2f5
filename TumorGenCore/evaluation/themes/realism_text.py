"""The Markdown of the measures of realism: one table a theme, with how to read it."""

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
        [[f"`{name}`", *[_quantile_cell(row["quantiles"][kind]) for kind in kinds]] for name, row in table.items()],
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
        ALIGNMENT_NOTE,
        "*All on patients*: tumor and healthy sites. *Passed the quality gate*: see below. "
        "*M' as a probability*: its border where the probability is one half, which may lie between voxels as the "
        "segmenter's does (`--output-probability`). *The scan's voxels*: the segmenter's own finding, brought to the "
        "scan's voxels and compared with itself; no mask on these voxels can agree better.",
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
        f"Of the {len(found['synthetic'])} synthetic lesions **{percent(found['near_share'])}** "
        f"({number(100 * low, 0)} to {percent(high)}) are nearer than {number(found['limit'], 3)}, which 5 % of the "
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
    rows = [[r["name"], r["nearest"], number(r["distance"], 3), number(r["ratio"])] for r in nearest]
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
        size = f"{found['features']} features, {found['components']} components ({percent(found['explained'])})"
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


def _quantile_cell(row: dict) -> str:
    return "-" if row["q50"] is None else spread(row["q50"], row["q10"], row["q90"], short)
