"""The page for the readers: one HTML file that needs no network, with the cubes packed inside."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.evaluation.reader_study.lesions import EDGE_VOXELS, StudyLesion

__all__ = ["LEVELS", "page_of"]

#: Gray levels of a cube from 0 to its maximum; a reader's window never shows more than 256.
LEVELS = 1024


def page_of(lesions: Mapping[str, StudyLesion]) -> tuple[str, str]:
    """Makes the page.

    The page has the cubes and random names. It has nothing that says which lesions are synthetic.

    Args:
        lesions: lesions by their random names, in the order of the page.

    Returns:
        The page, and the name of the study, which is a hash of what the page shows.
    """
    shown = [{"id": name, "mm": lesion.spacing_mm, **_packed(lesion.suv)} for name, lesion in lesions.items()]
    study = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]
    content = {
        "{{style}}": _part("page.css"),
        "{{script}}": _part("page.js"),
        "{{study}}": json.dumps({"study": study, "edge": EDGE_VOXELS, "lesions": shown}),
    }
    page = _part("page.html")
    for place, text in content.items():
        page = page.replace(place, text)
    return page, study


def _packed(suv: NDArray[np.float32]) -> dict[str, float | str]:
    """Packs a cube: levels of ``step`` SUV, all low bytes and then all high bytes, deflated, in base64."""
    step = max(float(suv.max()), 0.01) / (LEVELS - 1)
    levels = np.rint(suv / step).astype(np.uint16).ravel()
    planes = np.concatenate([levels & 255, levels >> 8]).astype(np.uint8)
    return {"step": step, "voxels": base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()}


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
