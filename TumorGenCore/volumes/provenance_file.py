"""Writes the provenance of a volume to a JSON file beside it; an NRRD header holds it too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TumorGenCore.volumes.safe_write import replacing
from TumorGenCore.volumes.suffixes import SEGMENTATION_SUFFIX, WRITABLE_SUFFIXES, known_suffix

__all__ = ["provenance_keys", "provenance_path", "write_provenance"]


def provenance_path(path: str | os.PathLike[str]) -> Path:
    """Returns the path of the JSON file beside an output.

    It is ``case.provenance.json`` for ``case.nrrd``, ``case.nii.gz`` or ``case.seg.nrrd``.
    """
    path = Path(path)
    suffix = known_suffix(path, (SEGMENTATION_SUFFIX, *WRITABLE_SUFFIXES)) or path.suffix
    return path.with_name(path.name[: len(path.name) - len(suffix)] + ".provenance.json")


def write_provenance(provenance: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Writes the provenance of an output to the JSON file beside it, completely or not at all.

    Args:
        provenance: from ``make_provenance``.
        path: path of the output; see ``provenance_path``.

    Returns:
        Path of the JSON file.

    Raises:
        ValueError: a number is NaN or Inf, which JSON does not have.
        OSError: the file cannot be written.
    """
    target = provenance_path(path)
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(dict(provenance), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return target


def provenance_keys(provenance: Mapping[str, Any] | None) -> dict[str, str]:
    """Returns the NRRD header keys of a provenance (``TumorGen_seed`` and so on); for None, no keys."""
    return {
        f"TumorGen_{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (provenance or {}).items()
    }
