"""The package as others meet it: one direction of layers, cheap to import, few public names."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import TumorGenCore

PACKAGE = Path(TumorGenCore.__file__).parent
FRONT_ENDS = {"slicer", "qt", "vtk", "ctk", "TumorGenSlicer", "TumorGenSlicerLib", "PythonQt"}


def imported(source: str) -> Iterator[str]:
    """Top-level names of the modules that a source imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
            "import_module",
            "__import__",
        ):
            yield from (a.value.partition(".")[0] for a in node.args if isinstance(a, ast.Constant))


def test_the_scan_finds_imports_in_every_form():
    source = "import qt.x\ndef f():\n from slicer.util import y\n import_module('vtk')"
    assert set(imported(source)) == {"qt", "slicer", "vtk"}


def test_the_core_never_imports_a_front_end():
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 20
    found = {path.name: names for path in files if (names := FRONT_ENDS & set(imported(path.read_text())))}
    assert not found


@pytest.mark.parametrize("module", ["TumorGenCore", "TumorGenCore.cli", "TumorGenCore.errors"])
def test_import_is_cheap(module):
    code = f"import sys, {module}; print(*({{'torch', 'monai', 'SimpleITK', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_list_of_commands_is_shown_without_heavy_libraries():
    heavy = "print(*({'torch', 'monai', 'SimpleITK', 'numpy'} & set(sys.modules)))"
    code = f"import sys, TumorGenCore.cli\ntry: TumorGenCore.cli.main(['--help'])\nexcept SystemExit: {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = done.stdout.splitlines()
    assert shown[0].startswith("usage: tumorgen") and shown[-1] == ""


def test_public_names_resolve():
    assert len(set(TumorGenCore.__all__)) == len(TumorGenCore.__all__)
    for name in TumorGenCore.__all__:
        assert getattr(TumorGenCore, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = TumorGenCore.nothing


def test_version_is_that_of_the_project():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    assert project["version"] == TumorGenCore.__version__
