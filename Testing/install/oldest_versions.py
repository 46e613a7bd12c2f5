"""Prints the lowest versions that pyproject.toml allows, as constraints for pip: ``torch==2.4.1`` and so on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def oldest_versions() -> list[str]:
    """Requirements of the package and its extras at their lower bounds; a requirement with ``==`` stays as it is.

    Raises:
        ValueError: a requirement without a lower bound.
    """
    project = tomllib.loads(PROJECT.read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    found = []
    for requirement in dict.fromkeys(name for names in lists for name in names):
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(?:>=|==)\s*([0-9.]+)(?:,<[0-9.]+)?", requirement)
        if match is None:
            raise ValueError(f"{requirement} has no lower bound; write it as NAME>=VERSION.")
        found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    print("\n".join(oldest_versions()))
