"""The lowest versions are said once: what Slicer installs asks for the same as pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from oldest_versions import oldest_versions

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_requirement_has_a_lowest_version() -> None:
    assert len(oldest_versions()) > 15


def test_slicer_installs_within_the_bounds_of_the_package() -> None:
    needed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    asked = (REPOSITORY / "TumorGenSlicer" / "Resources" / "requirements.txt").read_text().split()
    assert asked and set(asked) <= set(needed)
    source = (REPOSITORY / "TumorGenSlicer" / "TumorGenSlicerLib" / "run" / "packages.py").read_text()
    torch = re.search(r'^_TORCH_VERSION = "(>=[^,]+),<[^,]+"$', source, re.MULTILINE)
    assert torch is not None and f"torch{torch[1]}" in needed
