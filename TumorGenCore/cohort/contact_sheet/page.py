"""The page of a contact sheet: an HTML file with the figures inside, which opens from disk without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

from TumorGenCore.cohort.contact_sheet.lesions import SheetLesion
from TumorGenCore.cohort.contact_sheet.pictures import EDGE_MM, GAP_PIXELS
from TumorGenCore.insertion.provenance import STATEMENT
from TumorGenCore.lesions.quality import LEAST_QUALITY

__all__ = ["page_of"]


def page_of(lesions: Sequence[SheetLesion], results: str, suv_window: float) -> str:
    """Makes the page.

    Args:
        lesions: in the order of the page; pictures are ``pictures/1.png``, ``pictures/1.svg`` and so on.
        results: path from the page to the folder of the results, as in a URL.
        suv_window: SUV that is black in the pictures.
    """
    shown = [lesion.shown() for lesion in lesions]
    warnings = list(dict.fromkeys(lesion["warnings"] for lesion in shown))  # many lesions have the same
    number = {text: n for n, text in enumerate(warnings)}
    columns = list(shown[0])
    sheet = {
        "statement": STATEMENT,
        "results": results,
        "window": suv_window,
        "edge": EDGE_MM,
        "gap": GAP_PIXELS,
        "gate": LEAST_QUALITY,
        "warnings": warnings,
        "columns": columns,
        "lesions": [[number[v] if c == "warnings" else v for c, v in lesion.items()] for lesion in shown],
    }
    content = {
        "{{style}}": _part("page.css"),
        "{{script}}": _part("page.js"),
        "{{sheet}}": json.dumps(sheet, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    page = _part("page.html")
    for place, text in content.items():
        page = page.replace(place, text)
    return page


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
