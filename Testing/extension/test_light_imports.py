"""Slicer loads the module before it installs the dependencies, so no file may import them at file scope."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from stub_build import REPOSITORY

import TumorGenCore

MODULE = REPOSITORY / "TumorGenSlicer"
SLICERS_OWN = {"slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK"}
ALLOWED = SLICERS_OWN | set(sys.stdlib_module_names) | {"TumorGenCore", "TumorGenSlicerLib"}


def imported_on_load(source: str) -> Iterator[str]:
    """Full names that a source imports when it loads: not those in functions or for type checkers only."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def core_file(name: str) -> Path:
    """File that an import of a full name from the core loads. The package looks up its own names lazily."""
    parts = name.split(".")[1:]
    if parts and parts[0] in TumorGenCore.HOMES:
        parts = TumorGenCore.HOMES[parts[0]].split(".")
    for path in (REPOSITORY.joinpath("TumorGenCore", *parts[:end]) for end in range(len(parts), -1, -1)):
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    raise AssertionError(name)


def heavy(file: Path, seen: set[Path] | None = None) -> list[str]:
    """Imports of a file, and of the core's files that it loads, that Slicer does not include."""
    seen = set() if seen is None else seen
    found = []
    for name in imported_on_load(file.read_text()):
        top = name.partition(".")[0]
        if top == "TumorGenCore" and (target := core_file(name)) not in seen:
            seen.add(target)
            found += heavy(target, seen)
        elif top not in ALLOWED and top:  # An empty top is a relative import.
            found.append(f"{file.name}: {name}")
    return found


def test_the_scan_sees_what_runs_on_load() -> None:
    source = """
import torch.nn
if TYPE_CHECKING:
    import monai
else:
    import einops
class A:
    import scipy
    def f(self):
        import pydicom
try:
    from qt import QTimer
except ImportError:
    pass
"""
    assert set(imported_on_load(source)) == {"torch.nn", "einops", "scipy", "qt.QTimer"}


def test_the_scan_follows_the_core(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from TumorGenCore import TumorGenerator")
    assert any("torch" in name for name in heavy(tmp_path / "a.py"))
    (tmp_path / "b.py").write_text("from TumorGenCore.errors import CancelledError\nfrom TumorGenCore import Box")
    assert heavy(tmp_path / "b.py") == []


@pytest.mark.parametrize("file", sorted(MODULE.rglob("*.py")), ids=lambda p: str(p.relative_to(MODULE)))
def test_nothing_heavy_is_imported_on_load(file: Path) -> None:
    assert heavy(file) == []
