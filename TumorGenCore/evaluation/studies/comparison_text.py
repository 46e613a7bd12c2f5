"""The Markdown of `tumorgen compare`: realism, alignment and time, a row a method."""

from __future__ import annotations

from functools import partial

from TumorGenCore.evaluation.markdown import distance_cells, number, percent, spread, table_lines
from TumorGenCore.evaluation.themes.alignment_text import ALIGNMENT_HEADER, ALIGNMENT_NOTE, alignment_cells

__all__ = ["comparison_text"]

_METHODS = [
    "- *Copy-paste*: a tumor of one of the bundle's training patients, turned, scaled to fit and blended in.",
    "- *SynTumor's manner*: by rules: a bent ellipsoid with texture and the scanner's blur, as hot as training tumors "
    "are.",
    "- *DiffTumor's manner*: latent diffusion on the bundle's backbone, given a mask, which it returns: that of a "
    "training tumor, turned and scaled.",
    "- *BLD's manner*: a flow on the bundle's backbone that knows no surroundings; the known latents are put back at "
    "every step.",
    "- *Poor ones redrawn*: what TumorGen's quality gate stops is drawn again with other noise, as it is for variants "
    "and in the panel; what was sampled in vain is in the time.",
    "",
    "The first two get the scan without the real tumor, with a smooth continuation of its surroundings in its place; "
    "the others have to take it out.",
]


def comparison_text(report: dict) -> str:
    """The report that ``compare`` gives, as Markdown."""
    return "\n".join(
        [
            f"# {report['bundle']} beside other ways to make tumors",
            "",
            f"Held-out cases: {', '.join(report['cases'])}. Seeds {report['seeds']}. The same patients, boxes and "
            "seeds for all, and the same window inside the box through which the image is changed.",
            "",
            *_METHODS,
            "",
            *_realism(report["frechet"]),
            *_alignment(report["alignment"]),
            *_time(report),
            "# Pictures",
            "",
            "A row a site, the first seed.",
            "",
            "![contact sheet](contact_sheet.png)",
            "",
        ]
    )


def _realism(frechet: dict) -> list[str]:
    lines = [
        "# Realism",
        "",
        "Frechet distances at the sites whose boxes are drawn over real tumors, to the largest lesions of the "
        "bundle's training patients; 1 is a shift as large as their whole spread. The row of the real, held-out "
        "lesions is the floor: few lesions make any such distance large. *Excess* is over the floor, with the same "
        "patients drawn on both sides. Intervals are 95 %, from 200 draws of patients; several seeds are averaged. "
        "Copy-paste is near by its nature: it pastes the lesions that the distance is taken to.",
        "",
    ]
    titles = {"radiomics": "Radiomics (FRD's manner)", "efflite0": "FD-EffLite0 (not FID: its network is EfficientNet)"}
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


def _alignment(found: dict) -> list[str]:
    note = "*Median ml*: of the masks; the larger a tumor, the higher its DSC for the same error of its border."
    lines = ["# Alignment", "", f"{ALIGNMENT_NOTE} {note}", ""]
    titles = {"tumor": "Boxes over real tumors", "healthy": "Boxes in healthy tissue"}
    for group, title in titles.items():
        rows = [["real, held out", *_cells(found["ceiling"])]]
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
        "Seconds for a tumor from scan and box to image and mask, networks warm: median and quartiles over sites and "
        "seeds. Other work of the machine disturbs them; compare them within this run only.",
        "",
        *table_lines(["", "radiomics", "FD-EffLite0", "seconds"], rows),
    ]
