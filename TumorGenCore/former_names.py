"""Maps names in files of version 0.4.1 and earlier to the present names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FORMER_NAMES", "with_present_names"]

#: Former name to present name.
FORMER_NAMES = {"tumours": "tumors", "tumour_weight": "tumor_weight", "licence": "license"}


def with_present_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the mapping with each former key replaced by its present name.

    Args:
        values: mapping as read from a file; other keys stay as they are. If a key is there under both names, the
            value of the present name counts.
    """
    renamed = {FORMER_NAMES.get(name, name): value for name, value in values.items()}
    return renamed | {name: value for name, value in values.items() if name not in FORMER_NAMES}
