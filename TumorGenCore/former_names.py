"""Names that files of version 0.4.1 and before still have; they are read as the names of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FORMER_NAMES", "with_present_names"]

#: The former name, and the name of today.
FORMER_NAMES = {"tumours": "tumors", "tumour_weight": "tumor_weight", "licence": "license"}


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping whose keys have their names of today.

    Args:
        values: keys as a file has them; other keys stay as they are. Where a file has both names, today's counts.
    """
    renamed = {FORMER_NAMES.get(name, name): value for name, value in values.items()}
    return renamed | {name: value for name, value in values.items() if name not in FORMER_NAMES}
