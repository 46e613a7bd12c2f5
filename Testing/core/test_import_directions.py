"""Packages may import each other in one direction only; the imports are read from the source files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import TumorGenCore

CORE = Path(TumorGenCore.__file__).parent

#: Files beside the packages; every package may import them.
BASE = {"errors", "former_names", "interrupts", "version"}
#: Each package and the packages that it may import. No package imports the command line.
MAY_IMPORT: dict[str, set[str]] = {
    "volumes": set(),
    "dicom_study": {"volumes"},
    "method": {"volumes"},
    "lesions": {"volumes"},
    "phantom": {"volumes"},
    "bundle": {"volumes", "method", "lesions"},
    "insertion": {"volumes", "method", "lesions", "bundle"},
    "console": {"volumes", "dicom_study", "method", "lesions", "bundle", "insertion"},
    "cohort": {"volumes", "method", "lesions", "bundle", "insertion"},
    "transforms": {"volumes", "lesions", "bundle", "insertion"},
    "training": {"volumes", "method", "lesions", "bundle"},
    "evaluation": {"volumes", "method", "lesions", "phantom", "bundle", "insertion", "training"},
    "cli": {
        *("volumes", "dicom_study", "method", "lesions", "phantom", "bundle", "insertion"),
        *("console", "cohort", "training", "evaluation"),
    },
}


def imported(source: str) -> Iterator[str]:
    """Yields what a file imports from the core, anywhere in it: the name after ``TumorGenCore.``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports give full names"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("TumorGenCore."))


def test_the_reader_sees_every_import() -> None:
    source = """
from TumorGenCore.volumes.patch import PatchSettings
if TYPE_CHECKING:
    from TumorGenCore import insertion
def f():
    import TumorGenCore.bundle.laws as laws
"""
    assert list(imported(source)) == ["volumes", "insertion", "bundle"]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_one_way(package: str) -> None:
    allowed = MAY_IMPORT[package] | BASE | {package}
    files = sorted((CORE / package).rglob("*.py"))
    assert files
    wrong = {
        f"{file.relative_to(CORE)} imports {name}"
        for file in files
        for name in imported(file.read_text(encoding="utf-8"))
        if name not in allowed
    }
    assert not wrong


def test_the_table_names_every_package_and_has_no_way_back() -> None:
    packages = {path.parent.name for path in CORE.glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)
    assert {path.stem for path in CORE.glob("*.py")} == {"__init__", *BASE}
    order = list(MAY_IMPORT)
    assert all(order.index(other) < order.index(package) for package in order for other in MAY_IMPORT[package])


@pytest.mark.parametrize("name", sorted(BASE))
def test_files_beside_the_packages_import_none_of_them(name: str) -> None:
    source = (CORE / f"{name}.py").read_text(encoding="utf-8")
    assert set(imported(source)) <= BASE
