"""Reads an extension's description from the text of its CMakeLists.txt, as the Extensions Index does.

The Index does not run CMake. It sees a value only when this stands on one line, as one string, without variables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROJECT = re.compile(r"^\s*project\s*\(\s*([^\s()]+)", re.IGNORECASE | re.MULTILINE)
ANY_VALUE = re.compile(r"\bset\s*\(\s*EXTENSION_(\w+)", re.IGNORECASE)
GOOD_VALUE = re.compile(r'^set\(EXTENSION_([A-Z_]+) "([^"\\$;\n]*)"\)$', re.MULTILINE)


@dataclass(frozen=True)
class Description:
    """What the Index reads from a CMakeLists.txt.

    Args:
        project: name of the project; None when there is none.
        values: the EXTENSION_ values by their names without the prefix.
        unreadable: names that are set, but not once, on one line and as one plain string.
    """

    project: str | None
    values: dict[str, str]
    unreadable: list[str]


def description(text: str) -> Description:
    """Reads the description from the text of a CMakeLists.txt."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    project = PROJECT.search(code)
    good = GOOD_VALUE.findall(code)
    names = [name for name, _ in good]
    values = {name: value for name, value in good if names.count(name) == 1}
    unreadable = sorted({name.upper() for name in ANY_VALUE.findall(code)} - values.keys())
    return Description(project and project[1], values, unreadable)
