"""The Markdown of the two-sample test."""

from __future__ import annotations

from collections.abc import Mapping

from TumorGenCore.evaluation.markdown import estimate, number, table_lines
from TumorGenCore.evaluation.two_sample.boxed import OWN, SAME

__all__ = ["two_sample_lines"]

_MEANINGS = {
    OWN: "With own masks: synthetic tumors have the mask that they come with, real ones the metabolic part of their "
    "contour.",
    SAME: "With one delineation for all (40 % of the way from the tissue to the 95th percentile): only the image can "
    "differ.",
    "slices": "Three slices through the middle of each tumor, seen by EfficientNet-lite0.",
}


def two_sample_lines(found: Mapping) -> list[str]:
    """Returns the section on the test; ``found`` is the result of ``two_sample_test`` or has ``left_out``."""
    lines = ["## Can they be told from real tumors?", ""]
    if "left_out" in found:
        return [*lines, f"Left out: {found['left_out']}", ""]
    lines += [
        "Classifiers try to tell synthetic tumors from the real ones in the same boxes; no classifier is tested on a "
        "patient that it learned from. The figure is the area under the ROC curve (AUC): at 0.5 nobody can tell, at 1 "
        "everybody can. *Real against real*: one half of the patients against the other. In brackets: 95 % intervals "
        "over patients (BCa).",
        "",
    ]
    for view, meaning in _MEANINGS.items():
        if view in found:
            lines += [meaning, "", *_table(found[view])]
    return lines


def _table(tested: Mapping) -> list[str]:
    floor = tested["real against real"]
    head = ["AUC", *floor]
    rows = [["real against real", *(number(area) for area in floor.values())]]
    for method, parts in tested["methods"].items():
        rows.append([method, *(estimate(parts[part]["auc"], parts[part]["interval"]) for part in floor)])
    return table_lines(head, rows)
