"""The Markdown of `tumorgen compare`: realism, equality, alignment and time, with one row per method."""

from __future__ import annotations

from functools import partial

from TumorGenCore.evaluation.markdown import distance_cells, number, percent, spread, table_lines
from TumorGenCore.evaluation.themes.alignment_text import ALIGNMENT_HEADER, ALIGNMENT_NOTE, alignment_cells
from TumorGenCore.evaluation.themes.equality_text import EQUALITY_HEADER, EQUALITY_NOTE, equality_cells

__all__ = ["comparison_text"]

_METHODS = [
    "- *Copy-paste*: a tumor of one of the bundle's training patients, rotated, scaled to fit and blended in.",
    "- *SynTumor's manner*: a tumor made by rules: a bent ellipsoid with texture and the scanner's blur, as hot as "
    "the training tumors.",
    "- *DiffTumor's manner*: latent diffusion with the bundle's backbone. It gets the mask of a training tumor, "
    "rotated and scaled, and returns this mask.",
    "- *BLD's manner*: a flow with the bundle's backbone that does not see the surroundings; every step restores the "
    "known latents.",
    "- *Poor ones redrawn*: TumorGen with its quality gate: tumors that fail are replaced by new ones with other "
    "noise, as for variants and in the panel. The time includes the rejected tumors.",
    "",
    "The first two methods get the scan without the real tumor, which a smooth continuation of its surroundings "
    "replaces. The other methods must remove the tumor themselves.",
]


def comparison_text(report: dict) -> str:
    """Returns the report of ``compare`` as Markdown."""
    return "\n".join(
        [
            f"# {report['bundle']} and other methods to make tumors",
            "",
            f"Held-out cases: {', '.join(report['cases'])}. Seeds {report['seeds']}. All methods have the same "
            "patients, boxes and seeds, and change the image through the same window inside the box.",
            "",
            *_METHODS,
            "",
            *_realism(report["frechet"]),
            *_equality(report["equality"]),
            *_alignment(report["alignment"]),
            *_time(report),
            "# Pictures",
            "",
            "Each row shows one site with the first seed.",
            "",
            "![contact sheet](contact_sheet.png)",
            "",
        ]
    )


def _realism(frechet: dict) -> list[str]:
    lines = [
        "# Realism",
        "",
        "Frechet distances from the tumors in boxes over real tumors to the largest lesions of the bundle's training "
        "patients. A distance of 1 is a shift as large as the whole spread of these lesions. The row of the real, "
        "held-out lesions is the floor, because few lesions make every such distance large. *Excess* is the distance "
        "minus the floor, with the same patients drawn on both sides. Intervals are 95 %, from 200 draws of patients; "
        "several seeds are averaged. Copy-paste is always near, because it pastes the training lesions themselves.",
        "",
    ]
    titles = {"radiomics": "Radiomics (as in FRD)", "efflite0": "FD-EffLite0 (not FID: its network is EfficientNet)"}
    for key, found in frechet.items():
        lines += [f"## {titles[key]}", "", *_distances(found)]
    return lines


def _distances(found: dict) -> list[str]:
    if "left_out" in found:
        return [f"Left out: {found['left_out']}", ""]
    known = {method: row for method, row in found["methods"].items() if "left_out" not in row}
    lines = [f"Left out for {m}: {row['left_out']}" for m, row in found["methods"].items() if m not in known]
    lines += [""] if lines else []
    if not known:
        return lines
    first = next(iter(known.values()))
    planes = list(first["blocks"]) if len(first["blocks"]) > 1 else []
    floors = [number(first["blocks"][plane]["floor"]) for plane in planes]
    rows = [["real, held out", *floors, distance_cells(first)[1], "-"]]
    for method, row in known.items():
        value, _, excess = distance_cells(row)
        rows.append([method, *[number(row["blocks"][plane]["value"]) for plane in planes], value, excess])
    size = f"{first['features']} features, {first['components']} components ({percent(first['explained'])})"
    head = ["", *planes, "average" if planes else "distance", "excess"]
    return [f"{size}.", "", *table_lines(head, rows), *lines]


_TITLES = {"tumor": "Boxes over real tumors", "healthy": "Boxes in healthy tissue"}


def _equality(found: dict) -> list[str]:
    lines = ["# Does a segmenter treat them like real tumors?", "", EQUALITY_NOTE, ""]
    for group, title in {"patients": "All boxes", **_TITLES}.items():
        rows = [[method, *equality_cells(groups[group])] for method, groups in found.items()]
        lines += [f"## {title}", "", *table_lines(EQUALITY_HEADER, rows)]
    return lines


def _alignment(found: dict) -> list[str]:
    note = "*Median ml*: median volume of the masks. For the same error of the border, larger tumors have a higher DSC."
    lines = ["# Agreement with a segmenter", "", f"{ALIGNMENT_NOTE} {note}", ""]
    for group, title in _TITLES.items():
        rows = [["real, held out", *_cells(found["real"])]]
        rows += [[method, *_cells(groups[group])] for method, groups in found["methods"].items()]
        lines += [f"## {title}", "", *table_lines([*ALIGNMENT_HEADER, "median ml"], rows)]
    return lines


def _cells(row: dict) -> list[str]:
    return [*alignment_cells(row), number(row["volume_ml"])]


def _time(report: dict) -> list[str]:
    rows = []
    for method, row in report["seconds"].items():
        cells = []
        for key in ("radiomics", "efflite0"):
            distance = report["frechet"][key].get("methods", {}).get(method, {})
            cells.append(number(distance.get("value")))
        low, high = row["quartiles"]
        rows.append([method, *cells, spread(row["median"], low, high, partial(number, digits=3))])
    return [
        "# Time",
        "",
        "Seconds per tumor from scan and box to image and mask, with warm networks: median and quartiles over sites "
        "and seeds. Other load of the machine affects the times; compare them within this run only.",
        "",
        *table_lines(["", "radiomics", "FD-EffLite0", "seconds"], rows),
    ]
